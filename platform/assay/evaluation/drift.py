"""Have rows drifted from the training rows: each column, the predictions, and the data set as a whole.

With up to FEW_ROWS training rows a column drifts when a test says so: Kolmogorov-Smirnov for numbers, chi-square for
levels, Fisher's exact test for missing values and levels that training never saw. With more rows any test finds
differences that do not matter, so the difference must be large as well: the normalised Wasserstein distance, the
Jensen-Shannon distance or the share of rows must reach its bound. The test is asked in both cases: of a small window a
distance alone is mostly noise (two windows of 100 rows often lie 0.1 apart without any drift).

All p-values of one comparison are adjusted together, so that without drift anything at all is found in at most 5 % of
comparisons.

Source: Benjamini and Hochberg 1995, "Controlling the false discovery rate".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.evaluation.observed import Pair
from assay.evaluation.two_samples import Finding, findings

FEW_ROWS = 1_000  # of training, up to which the tests alone decide
ALPHA = 0.05
DRIFTING_SHARE = 0.3  # of the columns, from which on the data set drifts
LARGE = {"wasserstein": 0.1, "jensen_shannon": 0.1, "missing": 0.05, "unseen": 0.05}


@dataclass(frozen=True)
class ColumnDrift:
    """What was found of one column."""

    pair: Pair
    findings: tuple[Finding, ...]

    @property
    def drifted(self) -> bool:
        """Whether any comparison says so."""
        return any(finding.drifted for finding in self.findings)

    @property
    def compared(self) -> bool:
        """Whether both sides had rows enough for any comparison."""
        return bool(self.findings)

    @property
    def note(self) -> str:
        """What is compared where it is not the values, or why nothing is."""
        return self.pair.note or ("" if self.compared else "too few rows to tell")


@dataclass(frozen=True)
class Drift:
    """Every column, and what is no column of the data set: the predictions, and the label where it is known."""

    columns: tuple[ColumnDrift, ...]
    beside: Mapping[str, ColumnDrift] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the compared columns that drifted."""
        compared = [column for column in self.columns if column.compared]
        return sum(column.drifted for column in compared) / len(compared) if compared else 0.0

    @property
    def drifted(self) -> bool:
        """Whether the data set drifted."""
        return self.share >= DRIFTING_SHARE

    @property
    def compared(self) -> bool:
        """Whether there were rows enough to tell anything."""
        return any(column.compared for column in (*self.columns, *self.beside.values()))


def compare(columns: Sequence[Pair], beside: Mapping[str, Pair] | None = None) -> Drift:
    """Compare every pair and judge all findings together.

    Example:
        >>> from assay.evaluation.observed import Observed
        >>> draw = np.random.default_rng(0)
        >>> before, now = Observed(500, 0, draw.normal(size=500)), Observed(200, 0, draw.normal(1, size=200))
        >>> compare([Pair("age", "numeric", before, now)]).drifted
        True
    """
    named = dict(beside or {})
    drifts = _judged([ColumnDrift(pair, tuple(findings(pair))) for pair in (*columns, *named.values())])
    return Drift(tuple(drifts[: len(columns)]), dict(zip(named, drifts[len(columns) :], strict=True)))


def _judged(drifts: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    from scipy.stats import false_discovery_control

    p_F = np.array([finding.p for drift in drifts for finding in drift.findings])
    adjusted = iter(false_discovery_control(p_F) if len(p_F) else p_F)
    return [
        replace(
            drift, findings=tuple(_with_p(finding, float(next(adjusted)), drift.pair) for finding in drift.findings)
        )
        for drift in drifts
    ]


def _with_p(finding: Finding, adjusted_p: float, pair: Pair) -> Finding:
    matters = pair.before.num_rows <= FEW_ROWS or finding.distance >= LARGE[finding.what]
    return replace(finding, adjusted_p=adjusted_p, drifted=adjusted_p < ALPHA and matters)
