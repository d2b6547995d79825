"""What it takes to train a network, as plain data that travels to any process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Rows = Mapping[str, np.ndarray]  # N rows by name: what the network reads, "y", and "weight" where rows are weighed


class NetworkError(ValueError):
    """A network cannot be trained; the text says why, and what is expected."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    num_epochs: int
    batch_size: int  # of all workers together
    learning_rate: float
    weight_decay: float = 0.01
    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"  # muon: of filters, AdamW for all else
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    warmup_share: float = 0.2  # of all steps, in which the rate climbs
    label_smoothing: float = 0.0  # of classes, 0 to 1
    ema_decay: float = 0.0  # of the average of the weights that answers, a step; 0 for the weights themselves
    clip_norm: float = 0.0  # of the gradient; 0 for none
    accumulate: int = 1  # parts in which a batch passes the network, where it does not fit at once
    patience: int = 0  # epochs without gain on the judging rows before it stops; 0 takes all
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False  # the network by `torch.compile`
    max_s: float = float("inf")  # seconds after which no further epoch begins


@dataclass(frozen=True)
class Job:
    """A network to train, and the rows to train it on.

    `build` makes the network from `shape`; its `forward(**inputs)` takes the tensors of `inputs` by name and returns
    output_NK: logits of K classes, or one standardised number. Functions live at the top level of a module.
    """

    build: Callable[[Any], nn.Module]
    shape: Any  # checked settings of the network
    inputs: tuple[str, ...]  # names of the rows' arrays that the network reads
    learning: Rows
    plan: Plan
    seed: int
    judging: Rows | None = None
    augment: Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]] | None = None  # of a batch in training
    prepare: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None  # of any batch: trims padding, makes floats
    start: Mapping[str, np.ndarray] = field(default_factory=dict)  # weights to begin with; the others are drawn


@dataclass(frozen=True)
class Trained:
    """What training gave."""

    weights: Mapping[str, np.ndarray]
    facts: Mapping[str, float]  # num_epochs: of the best pass
    history: tuple[Mapping[str, float], ...] = ()  # of each epoch: loss, judged loss, seconds, rows a second
