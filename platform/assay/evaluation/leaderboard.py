"""The leaderboard: every baseline, trial and ensemble with its score, interval and cost, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from assay.parts import Json, Metric
from assay.vocabulary import EntryKind


@dataclass(frozen=True)
class Entry:
    """A row of the leaderboard; scores are out of fold."""

    name: str
    kind: EntryKind
    score: float
    low: float
    high: float
    gap_low: float | None = None  # 95 % interval of how much worse than the first row, paired
    gap_high: float | None = None
    fit_s: float = 0.0  # mean seconds of a fit on a fold; the sum over its members for an ensemble
    predict_us_per_row: float = 0.0
    num_rows: int = 0  # training rows of a fit, fewer than there are where an algorithm caps them
    members: tuple[str, ...] = ()  # trials that an ensemble joins, or the learner of each member that it fits
    note: str = ""
    refused: bool = False  # an ensemble that overfits: it cannot become the model
    params: Json | None = None

    @property
    def ties_with_best(self) -> bool:
        """Whether it is not significantly worse than the first row."""
        return self.gap_low is None or self.gap_low <= 0

    def to_json(self) -> Json:
        """Return plain data; a number that is not finite becomes null."""
        plain = asdict(self) | {"members": list(self.members), "ties_with_best": self.ties_with_best}
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in plain.items()
        }


def ranked(entries: Sequence[Entry], metric: Metric) -> list[Entry]:
    """Return entries best first; among equals the simpler: a baseline before a trial before an ensemble."""
    order = list(EntryKind)
    return sorted(entries, key=lambda entry: (-metric.gain(entry.score), order.index(entry.kind)))
