"""Gaps between neighbours of series: which is usual, where in a step times lie, which weekdays have rows at all."""

from __future__ import annotations

from collections import Counter

import numpy as np

from assay.errors import DataFault
from assay.forecasting.written import DAY_US

MOST_USUAL = 0.5  # share of the gaps that must be alike, or there is no step to speak of
FEWEST_WEEKS = 3  # that must be seen before a weekday without a row is taken for a day off


def gaps(time_N: np.ndarray, series_N: np.ndarray) -> np.ndarray:
    """Return the gaps between neighbours of each series that are not 0."""
    order = np.lexsort((time_N, series_N))
    gap_n = np.diff(time_N[order])[np.diff(series_N[order]) == 0]
    found: np.ndarray = gap_n[gap_n > 0]
    return found


def is_usual(gap_n: np.ndarray, gap: int) -> bool:
    """Return whether at least half of the gaps are this one."""
    return bool((gap_n == gap).sum() >= MOST_USUAL * len(gap_n))


def usual_gap(gap_n: np.ndarray, place: str, filled: bool, whole: int = 1) -> int:
    """Return the usual gap; where gaps will be filled in and are `whole` units, the greatest that divides them all."""
    gap, count = Counter(gap_n.tolist()).most_common(1)[0]
    usual = count >= MOST_USUAL * len(gap_n)
    if filled and (not usual or gap % whole == 0):
        return int(np.gcd.reduce(gap_n))
    if not usual:
        raise DataFault.at(
            place,
            f"no step is usual: the commonest of {len(gap_n):,} gaps between rows makes up {count / len(gap_n):.0%}",
            "say it, such as `forecast: {step: 1 day}`, and have gaps filled in: `gaps: zero` or `last`; or bring the "
            "rows to equal steps of time, such as sums of days",
        )
    return int(gap)


def usual_phases(phase_N: np.ndarray, series_N: np.ndarray) -> np.ndarray:
    """Return the commonest phase of each row's series."""
    if not phase_N.any():
        return phase_N
    pair_n, place_N, count_n = np.unique(
        np.stack([series_N, phase_N], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    order_n = np.lexsort((count_n, pair_n[:, 0]))
    last_n = np.append(np.diff(pair_n[order_n, 0]) != 0, True)
    commonest_n = np.repeat(pair_n[order_n[last_n], 1], np.diff(np.append(-1, np.flatnonzero(last_n))))
    by_pair_n = np.empty_like(commonest_n)
    by_pair_n[order_n] = commonest_n
    found: np.ndarray = by_pair_n[place_N.reshape(-1)]
    return found


def open_days(time_N: np.ndarray, fewest_weeks: int = FEWEST_WEEKS) -> str | None:
    """Return which weekdays have rows, from Monday on; None where all have, or too few weeks tell."""
    day_n = np.unique(time_N // DAY_US)
    weekday_n = (day_n + 3) % 7  # 1970 began on a Thursday
    told = "".join("1" if (weekday_n == weekday).any() else "0" for weekday in range(7))
    short = len(day_n) < fewest_weeks * told.count("1")
    return None if "0" not in told or short or (time_N % DAY_US != time_N[0] % DAY_US).any() else told
