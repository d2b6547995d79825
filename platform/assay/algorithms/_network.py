"""The network of `dense`: its shape as data, its layers, and its weights as safetensors. Imports torch."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

from assay.errors import ArtifactFault
from assay.parts import Files
from assay.spec.strict import Strict

SHAPE, WEIGHTS = "network.json", "weights.safetensors"
MAX_STEPS = 768  # inputs that the staircases may add


class Shape(Strict):
    """Everything that fixes the layers, and nothing else; bounded, since it may come from a stranger."""

    num_features: int = Field(ge=1, le=1_000_000, description="columns of the matrix")
    num_steps: int = Field(ge=0, le=MAX_STEPS, description="inputs added by the staircases")
    num_outputs: int = Field(ge=1, le=1_000_000, description="classes, or 1 for regression")
    width: int = Field(ge=1, le=8_192, description="units of a layer")
    num_blocks: int = Field(ge=0, le=64, description="residual blocks")
    dropout: float = Field(ge=0, lt=1, description="share of units silenced in training")
    regression: bool = Field(description="whether the output is a standardised number")


class Staircase(nn.Module):
    """Adds to each numeric feature how far it has climbed each of its quantile steps, 0 to 1.

    A network of few layers learns steep and bent relations of one feature only slowly; the steps hand them over.
    Source: Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS.
    """

    column_S: Tensor
    low_S: Tensor
    height_S: Tensor

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        self.register_buffer("column_S", torch.zeros(num_steps, dtype=torch.int64))
        self.register_buffer("low_S", torch.zeros(num_steps))
        self.register_buffer("height_S", torch.ones(num_steps))

    def forward(self, x_NF: Tensor) -> Tensor:
        """Return x_NF, outliers bent to within 3, and the steps: (N, F + S)."""
        bent_NF = x_NF / torch.sqrt(1 + (x_NF / 3) ** 2)
        climbed_NS = ((x_NF[:, self.column_S] - self.low_S) / self.height_S).clamp(0, 1)
        return torch.cat([bent_NF, climbed_NS], dim=1)


class Block(nn.Module):
    """A layer whose output is added to its input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.linear = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h_NW: Tensor) -> Tensor:
        """Return the changed units, (N, W)."""
        changed_NW: Tensor = self.dropout(nn.functional.gelu(self.linear(self.norm(h_NW))))
        return h_NW + changed_NW


class Network(nn.Module):
    """Staircase, a wide layer, residual blocks, and one output per class; a number is scaled back to the label."""

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.staircase = Staircase(shape.num_steps)
        self.stem = nn.Linear(shape.num_features + shape.num_steps, shape.width)
        self.blocks = nn.Sequential(*(Block(shape.width, shape.dropout) for _ in range(shape.num_blocks)))
        self.head = nn.Sequential(nn.BatchNorm1d(shape.width), nn.GELU(), nn.Linear(shape.width, shape.num_outputs))
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, x_NF: Tensor) -> Tensor:
        """Return logits, or the standardised number: (N, K)."""
        output_NK: Tensor = self.head(self.blocks(self.stem(self.staircase(x_NF))))
        return output_NK


def steps(x_NF: np.ndarray, num_bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return column_S, low_S and height_S of the steps between quantiles; features of two values have none.

    With many features each gets fewer steps, so that all together stay below `MAX_STEPS`.
    """
    between_NF = (x_NF > x_NF.min(axis=0)) & (x_NF < x_NF.max(axis=0))
    wide_W = np.flatnonzero(between_NF.any(axis=0))
    if len(wide_W) == 0 or (num_bins := min(num_bins, MAX_STEPS // len(wide_W))) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.float32), np.ones(0, np.float32)
    found = []
    for column in wide_W:
        edge_E = np.unique(np.quantile(x_NF[:, column], np.linspace(0, 1, num_bins + 1)).astype(np.float32))
        found += [(column, low, high - low) for low, high in itertools.pairwise(edge_E)]
    column_S, low_S, height_S = zip(*found, strict=True) if found else ((), (), ())
    return np.array(column_S, np.int64), np.array(low_S, np.float32), np.array(height_S, np.float32)


def to_files(shape: Shape, network: Network) -> Files:
    """Return the shape as JSON and the weights as safetensors."""
    from safetensors.numpy import save

    weights = {name: np.array(tensor.numpy(), order="C") for name, tensor in network.state_dict().items()}
    return {SHAPE: shape.model_dump_json(indent=1).encode(), WEIGHTS: save(weights)}


def from_files(files: Files) -> tuple[Shape, Network]:
    """Read what `to_files` wrote.

    Raises:
        ArtifactFault: a file is missing or broken, or a weight has another shape or type than its layer.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        shape = Shape.model_validate(json.loads(files[SHAPE]))
        weights = load(files[WEIGHTS])
    except (KeyError, ValueError, TypeError, ValidationError, SafetensorError) as error:
        raise ArtifactFault.at(SHAPE, f"or {WEIGHTS} is missing or broken ({type(error).__name__}: {error})") from None
    with torch.device("meta"):  # no memory yet: a shape from a stranger may ask for more than there is
        network = Network(shape)
    _fits(network.state_dict(), weights, shape.num_features)
    # A copy: torch cannot hold read-only memory.
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, assign=True)
    return shape, network.eval()


def _fits(expected: Mapping[str, Tensor], weights: Mapping[str, np.ndarray], num_features: int) -> None:
    if expected.keys() != weights.keys():
        differing = sorted(expected.keys() ^ weights.keys())
        raise ArtifactFault.at(WEIGHTS, f"does not hold the layers of {SHAPE}, look at {', '.join(differing[:5])}")
    for name, tensor in expected.items():
        array = weights[name]
        if array.shape != tuple(tensor.shape) or str(array.dtype) != str(tensor.dtype).removeprefix("torch."):
            raise ArtifactFault.at(
                WEIGHTS,
                f"has {name} as {array.dtype} {array.shape}, {SHAPE} needs {tensor.dtype} {tuple(tensor.shape)}",
            )
        if not np.isfinite(array).all():
            raise ArtifactFault.at(WEIGHTS, f"has numbers in {name} that are not finite")
    column_S = weights["staircase.column_S"]
    if not ((column_S >= 0) & (column_S < num_features)).all():
        raise ArtifactFault.at(WEIGHTS, "has steps of features that rows do not have")
