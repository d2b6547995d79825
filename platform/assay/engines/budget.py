"""The time that a run may take, and how long a fit will take: predicted from the fits before it."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

SAFETY = 1.15  # a fit is planned to take this much longer than predicted
PRIOR_FITS = 2.0  # what is known of all families weighs as much as so many fits of one
TELLING_S = 1.0  # expected seconds from which on a fit says how fast the machine is
FIXED_S = 0.05  # of any fit: short ones say little about how fast the machine is


@dataclass(frozen=True)
class Budget:
    """Wall-clock seconds from the start of the run to the finalized model; without `total_s` there is no end."""

    total_s: float | None = None
    finish_s: float = 0.0  # kept for combining, packing and proving, whatever is fitted
    num_slots: int = 1  # fits at once
    started: float = field(default_factory=time.monotonic)
    used_before_s: float = 0.0  # by earlier sessions of the run
    clock: Callable[[], float] = time.monotonic

    @property
    def elapsed_s(self) -> float:
        """Seconds used, over all sessions."""
        return self.used_before_s + self.clock() - self.started

    @property
    def left_s(self) -> float:
        """Seconds until the model should be final."""
        return math.inf if self.total_s is None else self.total_s - self.elapsed_s


class Costs:
    """Predicts the seconds of a fit of each algorithm: what the part says of itself, corrected by what was measured.

    A family's correction is the median of measured over expected seconds, drawn towards that of all families while it
    has few fits of its own: long first fits tell how fast the machine is today, short ones hardly. Medians, because the
    first fit of a process also imports its library.

    Example:
        >>> costs = Costs({"ridge": 1.0, "lightgbm": 10.0})
        >>> costs.note("ridge", 2.0)
        >>> round(costs.fit_s("ridge"), 1), round(costs.fit_s("lightgbm"))
        (1.5, 13)
    """

    def __init__(self, expected_s: Mapping[str, float]) -> None:
        self.expected_s = {key: value + FIXED_S for key, value in expected_s.items()}
        self.log_ratios: dict[str, list[float]] = defaultdict(list)

    def note(self, algorithm: str, seconds: float) -> None:
        """Take in a measured fit."""
        if algorithm in self.expected_s:
            self.log_ratios[algorithm].append(math.log((seconds + FIXED_S) / self.expected_s[algorithm]))

    def fit_s(self, algorithm: str) -> float:
        """Return the predicted seconds of one fit."""
        family = {key: median(ratios) for key, ratios in self.log_ratios.items()}
        weight = {key: self.expected_s[key] / (self.expected_s[key] + TELLING_S) for key in family}
        machine = sum(weight[key] * family[key] for key in family) / (sum(weight.values()) + 1.0)
        own, count = family.get(algorithm, machine), len(self.log_ratios.get(algorithm, ()))
        drawn = (count * own + PRIOR_FITS * machine) / (count + PRIOR_FITS)
        return max(0.0, self.expected_s.get(algorithm, FIXED_S) * math.exp(drawn) - FIXED_S)

    @property
    def least_s(self) -> float:
        """Predicted seconds of the cheapest fit."""
        return min((self.fit_s(key) for key in self.expected_s), default=0.0)
