"""Where a loop runs: alone, or as one worker of several; what it may tell and keep there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from torch import nn

State = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]  # arrays by name, and facts as plain data
LOOKS = 5  # at the clock between two states that are kept


class Memory(Protocol):
    """A place that outlives the process, for the newest state of one training."""

    def write(self, state: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Keep a state whole, in place of the one before."""

    def read(self) -> State | None:
        """Return the state that was kept last, or None."""


class World:
    """One worker alone in its process; `Group` is one of several.

    The state is kept in `memory` every `every_s` seconds, or every `every_steps` steps where that is given. `tell` is
    called with the metrics of each epoch.
    """

    rank = 0
    size = 1

    def __init__(
        self,
        memory: Memory | None = None,
        tell: Callable[[Mapping[str, float]], None] | None = None,
        *,
        device: str = "cpu",
        every_s: float = 60.0,
        every_steps: int = 0,
    ) -> None:
        self.memory, self.tell, self.device = memory, tell, device
        self.every_s, self.every_steps = every_s, every_steps
        self.probes = False  # whether workers agree before their first step on a size that fits the memory of all
        self._first_step, self._look_at = -1, 0
        self._began = self._kept_at = time.monotonic()

    def wrapped(self, network: nn.Module, *, has_unused: bool = False) -> nn.Module:
        """Return the network as it is called in training; with several workers gradients are averaged by it."""
        return network

    def unsynced(self, network: nn.Module) -> AbstractContextManager[Any]:
        """Return a context in which gradients stay on this worker; `network` is what `wrapped` returned."""
        return nullcontext()

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean over all workers of a few numbers."""
        return values

    def epoch_ended(self, metrics: Mapping[str, float]) -> None:
        """Tell what an epoch gave."""
        if self.tell is not None and self.rank == 0:
            self.tell(metrics)

    def due(self, step: int) -> bool:
        """Whether the state should be kept after this step; the same answer on every worker."""
        if self.memory is None:
            return False
        if self.every_steps:
            return step % self.every_steps == 0
        if self._first_step < 0:  # the first step of a process is no measure of the others
            self._first_step, self._look_at, self._began = step, step + 1, time.monotonic()
        return step >= self._look_at and self._is_time(step)

    def _is_time(self, step: int) -> bool:
        """Look at the clock of the first worker, which speaks for all, and say when to look again.

        Workers agree by a message; one a step would cost small networks a tenth of their speed.
        """
        now = time.monotonic()
        pace_s = max(now - self._began, 1e-6) / max(step - self._first_step, 1)
        left_s = self.every_s - (now - self._kept_at)
        wait = min(left_s if left_s > 0 else self.every_s, self.every_s / LOOKS) / pace_s
        seen = np.array([float(left_s <= 0), float(max(1, min(wait, 1e9)))])
        due, wait = self.mean(seen if self.rank == 0 else np.zeros(2)) * self.size
        self._look_at = step + round(wait)
        return bool(due > 0.5)

    def keep(self, state: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Keep the state, so that `kept` returns it after a crash."""
        if self.memory is not None and self.rank == 0:
            self.memory.write(state, facts)
        self._kept_at = time.monotonic()

    def kept(self) -> State | None:
        """Return the newest state that was kept, or None to begin anew."""
        return None if self.memory is None else self.memory.read()


ALONE = World()
