"""What `torch_module` builds: somebody's own network, and the plain one that stands in for it. Imports torch."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from assay.spec.strict import Strict
from assay.training.job import NetworkError

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
        NetworkError: it cannot be imported, or is no `torch.nn.Module`.
    """
    module, _, name = key.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # noqa: BLE001 - somebody's own code may raise anything
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkError(
            f"cannot be imported ({said}); put {module}.py beside the experiment file, install it, "
            "or name its folder in PYTHONPATH"
        ) from None
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise NetworkError("is not a class of networks; subclass torch.nn.Module")
    return found


class Own(nn.Module):
    """Somebody's network, whose answers are brought into one form: output_NK, logits of classes or one number."""

    def __init__(self, network: nn.Module, num_outputs: int) -> None:
        super().__init__()
        self.network, self.num_outputs = network, num_outputs

    def forward(self, x: Tensor, **beside: Tensor) -> Tensor:
        """Return output_NK; `x` is given by position, so that the network may call it as it likes."""
        kind = next((one.dtype for one in self.network.parameters() if one.is_floating_point()), x.dtype)
        if kind == torch.float64:
            x = x.double()
        return outputs_of(self.network(x, **beside), len(x), self.num_outputs)


def outputs_of(answer: Any, num_rows: int, num_outputs: int) -> Tensor:
    """Return output_NK of what a network returned; what has no such reading is returned for the caller to refuse.

    Of a mapping or an object, `logits` counts, else its only entry; of a tuple or list the first entry. One logit for
    two classes is that of the second, and axes of length one beside rows and classes are dropped.
    """
    if isinstance(answer, Mapping):
        answer = answer["logits"] if "logits" in answer else next(iter(answer.values())) if len(answer) == 1 else answer
    elif not isinstance(answer, Tensor) and isinstance(getattr(answer, "logits", None), Tensor):
        answer = answer.logits
    elif isinstance(answer, tuple | list) and answer:
        return outputs_of(answer[0], num_rows, num_outputs)
    if not isinstance(answer, Tensor):
        said = f"a mapping of {', '.join(map(str, answer))}" if isinstance(answer, Mapping) else type(answer).__name__
        raise NetworkError(
            f"returns {said} from `forward`, expected a tensor of shape ({num_rows}, {num_outputs}), "
            "a tuple that begins with it, or a dict with it as `logits`"
        )
    wrong = answer.ndim == 0 or len(answer) != num_rows or not answer.is_floating_point()
    if wrong or answer.shape == (num_rows, num_outputs):
        return answer
    if answer.numel() == num_rows * num_outputs and sorted(answer.shape)[:-2].count(1) >= answer.ndim - 2:
        return answer.reshape(num_rows, num_outputs)
    if num_outputs == 2 and answer.numel() == num_rows:
        logit_N1 = answer.reshape(num_rows, 1)
        return torch.cat([torch.zeros_like(logit_N1), logit_N1], dim=1)
    return answer


def build(shape: Shape) -> nn.Module:
    """Return the network: the class is given the shape of one row, the number of outputs and its settings.

    Layers that find their sizes in the first rows are given zeros.

    Raises:
        NetworkError: the class does not take these arguments.
    """
    made = class_of(shape.module)
    settings = {"input_shape": shape.input_shape, "num_outputs": shape.num_outputs, **shape.params}
    try:
        inspect.signature(made).bind(**settings)
    except TypeError as error:
        raise NetworkError(
            f"cannot be called with {', '.join(settings)} ({error}); "
            "its `__init__` takes input_shape, num_outputs and the settings in `params`"
        ) from None
    network = made(**settings)
    if made is Layers:
        return network
    own = Own(network, shape.num_outputs)
    if any(map(is_lazy, [*own.parameters(), *own.buffers()])):
        _materialise(own, shape)
    return own


def _materialise(own: Own, shape: Shape) -> None:
    x = torch.zeros((2, *shape.input_shape))
    beside = {"length": torch.ones(2, dtype=torch.int64)} if wants_length(shape.module) else {}
    with torch.no_grad():
        own.eval().network(x, **beside)
    own.train()


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
