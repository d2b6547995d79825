"""Two samples of one column: how far they lie apart, and how often chance alone puts them so far apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.evaluation.observed import Observed, Pair

MIN_ROWS = 30  # with a value, on both sides: with fewer nothing is told apart
FEWEST_EXPECTED = 5  # rows in a cell of the chi-square test; rarer levels are put together (Cochran 1954)
NARROWEST = 1e-3  # standard deviation by which a column without any spread is divided, as evidently does


@dataclass(frozen=True)
class Finding:
    """One way in which a column was compared."""

    what: str  # wasserstein, jensen_shannon, missing or unseen: what `distance` is
    distance: float
    test: str  # ks, chi2 or fisher
    p: float  # as the test gives it
    adjusted_p: float = 1.0
    drifted: bool = False


def findings(pair: Pair) -> list[Finding]:
    """Return every comparison that the rows of both sides allow; none is judged yet."""
    before, now = pair.before, pair.now
    found = []
    if before.number_n is not None and now.number_n is not None:
        if min(len(before.number_n), len(now.number_n)) >= MIN_ROWS:
            found.append(of_numbers(before.number_n, now.number_n))
    elif before.counts and min(sum(before.counts.values()), now.num_present) >= MIN_ROWS:
        found += of_levels(before, now)
    if (before.num_missing or now.num_missing) and min(before.num_rows, now.num_rows) >= MIN_ROWS:
        found.append(of_missing(before, now))
    return found


def of_numbers(before_n: np.ndarray, now_n: np.ndarray) -> Finding:
    """Compare numbers."""
    from scipy.stats import ks_2samp

    p = float(ks_2samp(before_n, now_n).pvalue)
    return Finding("wasserstein", wasserstein(before_n, now_n), "ks", p)


def wasserstein(before_n: np.ndarray, now_n: np.ndarray) -> float:
    """Return the distance of two samples in standard deviations of the first."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(before_n, now_n) / max(float(np.std(before_n)), NARROWEST))


def of_levels(before: Observed, now: Observed) -> list[Finding]:
    """Compare the shares of levels, and the share of rows whose level training never saw."""
    from scipy.stats import fisher_exact

    levels = list(before.counts)
    before_K = np.array([*(before.counts[level] for level in levels), before.num_other], np.float64)
    now_K = np.array([*(now.counts.get(level, 0) for level in levels), now.num_other], np.float64)
    found = []
    p = chi_square(before_K, now_K)
    if p is not None:
        found.append(Finding("jensen_shannon", jensen_shannon(before_K, now_K), "chi2", p))
    if now.num_other:
        new_then = before.num_other + before.num_alone
        table = [_split(now.num_other, now.num_present), _split(new_then, before.num_present)]
        unseen_p = float(fisher_exact(table, alternative="greater").pvalue)
        gap = now.num_other / now.num_present - new_then / before.num_present
        found.append(Finding("unseen", max(gap, 0.0), "fisher", unseen_p))
    return found


def jensen_shannon(before_K: np.ndarray, now_K: np.ndarray) -> float:
    """Return the distance of two counts of the same levels, in [0, 0.83]: the root of the divergence in nats."""
    from scipy.spatial.distance import jensenshannon

    return float(np.nan_to_num(jensenshannon(before_K, now_K)))  # NaN where rounding made the divergence negative


def chi_square(before_K: np.ndarray, now_K: np.ndarray) -> float | None:
    """Return the p-value that both counts are of one distribution; None where they hold fewer than two levels.

    The last count is of all levels without a name. Levels of which fewer than FEWEST_EXPECTED rows are expected on
    either side are put to it: rows of a new level are then held against rows of rare levels, which training must have.
    """
    from scipy.stats import chi2_contingency

    both_K = before_K + now_K
    expected_K = both_K * min(before_K.sum(), now_K.sum()) / both_K.sum()
    rare_K = (expected_K < FEWEST_EXPECTED) | (np.arange(len(both_K)) == len(both_K) - 1)
    table = np.array([[*side_K[~rare_K], side_K[rare_K].sum()] for side_K in (before_K, now_K)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return None
    return float(chi2_contingency(table, correction=False).pvalue)


def of_missing(before: Observed, now: Observed) -> Finding:
    """Compare the shares of missing values."""
    from scipy.stats import fisher_exact

    table = [_split(now.num_missing, now.num_rows), _split(before.num_missing, before.num_rows)]
    gap = abs(now.num_missing / now.num_rows - before.num_missing / before.num_rows)
    return Finding("missing", gap, "fisher", float(fisher_exact(table).pvalue))


def _split(count: int, total: int) -> list[int]:
    return [count, total - count]
