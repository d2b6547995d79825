"""Where a loop runs: alone, or as one worker of several; what it may tell and keep there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn


class World:
    """One worker alone in its process, who keeps nothing; `engines/fit_torch.py` has one of many that do."""

    rank = 0
    size = 1
    device = "cpu"

    def wrapped(self, network: nn.Module) -> nn.Module:
        """Return the network as it is called in training; with several workers gradients are averaged by it."""
        return network

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean over all workers of a few numbers."""
        return values

    def epoch_ended(self, metrics: Mapping[str, float]) -> None:
        """Tell what an epoch gave."""

    def due(self, step: int) -> bool:
        """Whether the state should be kept after this step; the same answer on every worker."""
        return False

    def keep(self, state: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Keep the state, so that `kept` returns it after a crash."""

    def kept(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None:
        """Return the newest state that was kept, or None to begin anew."""
        return None


ALONE = World()
