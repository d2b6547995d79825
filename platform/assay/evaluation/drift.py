"""Have rows drifted from the training rows: each column, the predictions, and the data set as a whole.

With up to FEW_ROWS training rows a column drifts when a test says so: Kolmogorov-Smirnov for numbers, chi-square for
levels, Fisher's exact test for missing values and levels that training never saw. With more rows any test finds
differences that do not matter, so the difference must be large as well: the normalised Wasserstein distance, the
Jensen-Shannon distance or the share of rows must reach its bound. The test is asked in both cases: of a small window a
distance alone is mostly noise (two windows of 300 rows lie 0.1 apart without any drift).

All p-values of one comparison are adjusted together, so that without drift anything at all is found in at most 5 % of
comparisons.

Source: Benjamini and Hochberg 1995, "Controlling the false discovery rate".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.evaluation.observed import UNSEEN, Observed, Pair

FEW_ROWS = 1_000  # of training, up to which the tests alone decide
MIN_ROWS = 30  # of a window: with fewer nothing is told apart
ALPHA = 0.05
DRIFTING_SHARE = 0.3  # of the columns, from which on the data set drifts
LARGE = {"wasserstein": 0.1, "jensen_shannon": 0.1, "missing": 0.05, "unseen": 0.05}
FEWEST_EXPECTED = 5  # rows in a cell of the chi-square test; rarer levels are put together (Cochran 1954)


@dataclass(frozen=True)
class Finding:
    """One way in which a column was compared."""

    what: str  # wasserstein, jensen_shannon, missing or unseen: what `distance` is
    distance: float
    test: str  # ks, chi2 or fisher
    p: float  # as the test gives it
    adjusted_p: float = 1.0
    drifted: bool = False


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
        """Whether there was anything to compare."""
        return bool(self.findings)


@dataclass(frozen=True)
class Drift:
    """Every column, the predictions, and the label where it is known."""

    columns: tuple[ColumnDrift, ...]
    beside: Mapping[str, ColumnDrift] = field(default_factory=dict)  # prediction, label: no columns of the data set

    @property
    def share(self) -> float:
        """Share of the compared columns that drifted."""
        compared = [column for column in self.columns if column.compared]
        return sum(column.drifted for column in compared) / len(compared) if compared else 0.0

    @property
    def drifted(self) -> bool:
        """Whether the data set drifted."""
        return self.share >= DRIFTING_SHARE


def compare(columns: Sequence[Pair], beside: Mapping[str, Pair] | None = None) -> Drift:
    """Compare every pair and judge all findings together.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> before, now = Observed(500, 0, draw.normal(size=500)), Observed(200, 0, draw.normal(1, size=200))
        >>> compare([Pair("age", "numeric", before, now)]).drifted
        True
    """
    pairs = [*columns, *(beside or {}).values()]
    raw = [_findings(pair) for pair in pairs]
    judged = iter(_judged([(finding, pair) for pair, found in zip(pairs, raw, strict=True) for finding in found]))
    drifts = [ColumnDrift(pair, tuple(next(judged) for _ in found)) for pair, found in zip(pairs, raw, strict=True)]
    names = list(beside or {})
    return Drift(tuple(drifts[: len(columns)]), dict(zip(names, drifts[len(columns) :], strict=True)))


def _judged(found: Sequence[tuple[Finding, Pair]]) -> list[Finding]:
    from scipy.stats import false_discovery_control

    if not found:
        return []
    adjusted = false_discovery_control([finding.p for finding, _ in found])
    return [
        Finding(
            finding.what,
            finding.distance,
            finding.test,
            finding.p,
            float(p),
            bool(p < ALPHA) and (pair.before.num_rows <= FEW_ROWS or finding.distance >= LARGE[finding.what]),
        )
        for (finding, pair), p in zip(found, adjusted, strict=True)
    ]


def _findings(pair: Pair) -> list[Finding]:
    before, now = pair.before, pair.now
    found = []
    if before.number_n is not None and now.number_n is not None and len(before.number_n) and len(now.number_n):
        found.append(_of_numbers(before.number_n, now.number_n))
    if sum(before.counts.values()) and now.num_present:
        found += _of_levels(before, now)
    if before.num_rows and now.num_rows and (before.num_missing or now.num_missing):
        found.append(_of_missing(before, now))
    return found


def _of_numbers(before_n: np.ndarray, now_n: np.ndarray) -> Finding:
    from scipy.stats import ks_2samp

    p = float(ks_2samp(before_n, now_n).pvalue)
    return Finding("wasserstein", wasserstein(before_n, now_n), "ks", p)


def wasserstein(before_n: np.ndarray, now_n: np.ndarray) -> float:
    """Return the distance of two samples in standard deviations of the first."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(before_n, now_n) / max(float(np.std(before_n)), 1e-3))


def _of_levels(before: Observed, now: Observed) -> list[Finding]:
    from scipy.stats import fisher_exact

    levels = list(before.counts)
    before_K = np.array([*(before.counts[level] for level in levels), 0], np.float64)
    now_K = np.array([*(now.counts.get(level, 0) for level in levels), now.num_unseen], np.float64)
    found = []
    p = chi_square(before_K, now_K)
    if p is not None:
        found.append(Finding("jensen_shannon", jensen_shannon(before_K, now_K), "chi2", p))
    if now.num_unseen:
        # A training row is unseen by the others when it is alone with its level: so many are to be expected.
        table = [[now.num_unseen, now.num_present - now.num_unseen], _rest(before.num_unseen, before.num_present)]
        share = now.num_unseen / now.num_present - before.num_unseen / max(before.num_present, 1)
        unseen = float(fisher_exact(table, alternative="greater").pvalue)
        found.append(Finding("unseen", max(share, 0.0), "fisher", unseen))
    return found


def jensen_shannon(before_K: np.ndarray, now_K: np.ndarray) -> float:
    """Return the distance of two counts of the same levels, in [0, 0.83]: the root of the divergence in nats."""
    from scipy.spatial.distance import jensenshannon

    return float(np.nan_to_num(jensenshannon(before_K, now_K)))


def chi_square(before_K: np.ndarray, now_K: np.ndarray) -> float | None:
    """Return the p-value that both counts are of one distribution; None where they hold fewer than two levels.

    Levels of which fewer than FEWEST_EXPECTED rows are expected on either side are put together.
    """
    from scipy.stats import chi2_contingency

    both_K = before_K + now_K
    expected_K = both_K * min(before_K.sum(), now_K.sum()) / both_K.sum()
    rare_K = expected_K < FEWEST_EXPECTED
    table = np.array([[*side_K[~rare_K], side_K[rare_K].sum()] for side_K in (before_K, now_K)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return None
    return float(chi2_contingency(table, correction=False).pvalue)


def _of_missing(before: Observed, now: Observed) -> Finding:
    from scipy.stats import fisher_exact

    p = float(fisher_exact([_rest(now.num_missing, now.num_rows), _rest(before.num_missing, before.num_rows)]).pvalue)
    gap = abs(now.num_missing / now.num_rows - before.num_missing / before.num_rows)
    return Finding("missing", gap, "fisher", p)


def _rest(count: int, total: int) -> list[int]:
    return [count, total - count]


def shown_levels(pair: Pair, most: int = 12) -> tuple[list[str], list[float], list[float]]:
    """Return the most frequent levels, and the share of rows that they have then and now."""
    levels = sorted(pair.before.counts, key=lambda level: -pair.before.counts[level])[:most]
    then, now = (
        max(sum(side.counts.values()) + side.num_unseen * (side is pair.now), 1) for side in (pair.before, pair.now)
    )
    before = [pair.before.counts[level] / then for level in levels]
    after = [pair.now.counts.get(level, 0) / now for level in levels]
    if pair.now.num_unseen:
        return [*levels, UNSEEN], [*before, 0.0], [*after, pair.now.num_unseen / now]
    return levels, before, after
