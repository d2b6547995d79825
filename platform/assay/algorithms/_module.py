"""What `torch_module` builds: somebody's own network, and the plain one that stands in for it. Imports torch."""

from __future__ import annotations

import importlib
import inspect
import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from assay.spec.strict import Strict

Scalar = bool | int | float | str


class Shape(Strict):
    """Everything that makes the network, and how rows become its input."""

    module: str = Field(description="module:Class")
    params: dict[str, Scalar | list[Scalar]] = Field(description="settings of the class")
    reads: Literal["table", "image", "series"] = Field(description="what the rows hold")
    input_shape: tuple[int, ...] = Field(description="of one row: (F,), (C, H, W) or (T, C)")
    num_outputs: int = Field(ge=1, le=1_000_000, description="classes, or 1 for regression")
    mean: float = Field(0.0, description="of a numeric label")
    scale: float = Field(0.0, ge=0, description="deviation of a numeric label; 0 for classes")


class Layers(nn.Module):
    """Two layers on the flattened row: what `torch_module` trains while no module is named."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(math.prod(input_shape), width), nn.SiLU(), nn.Linear(width, num_outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return output_NK."""
        output_NK: Tensor = self.layers(x / torch.sqrt(1 + (x / 3) ** 2))  # outliers to within 3
        return output_NK


def class_of(key: str) -> type[nn.Module]:
    """Return the class that `module:Class` names.

    Raises:
        ValueError: it cannot be imported, or is no `torch.nn.Module`.
    """
    module, _, name = key.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"'{key}' cannot be imported ({error}); make sure that the module is installed or on PYTHONPATH"
        ) from None
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise ValueError(f"'{key}' is not a class of networks; subclass torch.nn.Module")
    return found


def build(shape: Shape) -> nn.Module:
    """Return the network: the class is given the shape of one row, the number of outputs and its settings."""
    return class_of(shape.module)(input_shape=shape.input_shape, num_outputs=shape.num_outputs, **shape.params)


def wants_length(key: str) -> bool:
    """Whether the network's `forward` takes the length of each series."""
    return "length" in inspect.signature(class_of(key).forward).parameters


def pictures(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return images as x (N, C, H, W), float32 from 0 to 1."""
    return {"x": rows["x"].permute(0, 3, 1, 2).float() / 255}


def padded(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return series as x (N, T, C) with 0 after their ends."""
    return {"x": torch.nan_to_num(rows["x"])}


def padded_with_length(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return series as x (N, T, C) with 0 after their ends, and length (N,)."""
    there_NT = ~rows["x"].isnan().all(dim=2)
    step_T = torch.arange(1, there_NT.shape[1] + 1, device=there_NT.device)
    return {"x": torch.nan_to_num(rows["x"]), "length": (there_NT * step_T).amax(dim=1).clamp(min=1)}


def preparation(shape: Shape) -> Any:
    """Return the function that makes the network's input of rows; None where they are it already."""
    if shape.reads == "series":
        return padded_with_length if wants_length(shape.module) else padded
    return pictures if shape.reads == "image" else None
