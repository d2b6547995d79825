"""The network of `dense`: its shape as data, its layers, and its weights as safetensors. Imports torch."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

import numpy as np
import tabm
import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn
from torch.nn.functional import silu

from assay.errors import ArtifactFault
from assay.parts import Files
from assay.spec.strict import Strict

SHAPE, WEIGHTS = "network.json", "weights.safetensors"
MAX_STEPS = 768  # inputs that the staircases may add
PREDICT_ROWS = 1_024  # at once; the units of more do not stay in the cache


class Shape(Strict):
    """Everything that fixes the layers, and nothing else; bounded, since it may come from a stranger."""

    num_features: int = Field(ge=1, le=1_000_000, description="columns of the matrix")
    num_steps: int = Field(ge=0, le=MAX_STEPS, description="inputs added by the staircases")
    num_outputs: int = Field(ge=1, le=1_000_000, description="classes, or 1 for regression")
    num_members: int = Field(ge=1, le=256, description="networks that share their matrices")
    width: int = Field(ge=1, le=8_192, description="units of a layer")
    num_blocks: int = Field(ge=0, le=64, description="layers between the first and the last")
    dropout: float = Field(ge=0, lt=1, description="share of units silenced in training")
    regression: bool = Field(description="whether the output is a standardised number")


class Staircase(nn.Module):
    """Says of each numeric feature how far it has climbed each of its quantile steps, 0 to 1.

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
        """Return the share of each step that is climbed: (N, S)."""
        return ((x_NF[:, self.column_S] - self.low_S) / self.height_S).clamp(0, 1)


class Silence(nn.Module):
    """Dropout whose masks are windows of one long mask.

    `nn.Dropout` draws a number for each unit, which on a CPU takes three times as long as the layer before it.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share, self.mask = share, torch.zeros(0)

    def forward(self, h: Tensor) -> Tensor:
        """Return the units with a share of them silenced; all of them when not training."""
        if not self.training or not self.share:
            return h
        size = h.numel()
        if len(self.mask) < 2 * size:
            self.mask = (torch.rand(4 * size) >= self.share) / (1 - self.share)
        start = int(torch.randint(len(self.mask) - size, ()))
        return h * self.mask[start : start + size].view(h.shape)


class Network(nn.Module):
    """Members that share their matrices and differ in how they scale what goes in and comes out of them.

    The first layer is computed once for all members, who then see it each through scales and offsets of their own.
    Source: Gorishniy et al. 2025, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling", ICLR.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.num_members, self.regression = shape.num_members, shape.regression
        members, width = shape.num_members, shape.width
        self.staircase = Staircase(shape.num_steps)
        self.stem = nn.Linear(shape.num_features, width, bias=False)
        self.climb = nn.Parameter(torch.zeros(shape.num_steps, width))
        self.blocks = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(shape.num_blocks))
        self.views = nn.ModuleList(
            tabm.ElementwiseAffine((members, width), bias=True, scaling_init="ones" if depth else "normal")
            for depth in range(shape.num_blocks + 1)
        )
        self.silence = Silence(shape.dropout)
        self.head = tabm.LinearEnsemble(width, shape.num_outputs, k=members)
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, x_NF: Tensor) -> Tensor:
        """Return the logits, or the standardised number, that each of M members gives: (N, M, K)."""
        bent_NF = x_NF / torch.sqrt(1 + (x_NF / 3) ** 2)  # outliers to within 3
        first_NW = self.stem(bent_NF) + self.staircase(x_NF) @ self.climb
        h_NMW = first_NW[:, None].expand(-1, self.num_members, -1)
        h_NMW = self.silence(silu(self.views[0](h_NMW)))
        for block, view in zip(self.blocks, self.views[1:], strict=True):
            h_NMW = self.silence(silu(view(block(h_NMW))))
        output_NMK: Tensor = self.head(h_NMW)
        return output_NMK

    def answer(self, x_NF: Tensor) -> Tensor:
        """Return the mean of the members' probabilities, or numbers on the scale of the label: (N, K), float64."""
        output_NMK = self(x_NF).double()
        if self.regression:
            answer_NK: Tensor = output_NMK.mean(dim=1) * self.scale + self.mean
            return answer_NK
        probability_NK: Tensor = output_NMK.softmax(dim=2).mean(dim=1)
        return probability_NK


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
