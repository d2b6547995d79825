"""What a row says of the past: numbers computed from the values up to its origin, and from nothing after it.

A series is y_T, values at equal steps of time. An origin is the position of the last value that is known; a row is an
origin and a number of steps ahead of it. Everything is told relative to the level at the origin and in the series' own
unit, so that rows of series of any size, at any time of their growth, are alike; trees cannot extrapolate growth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SEASONAL_NAIVE = "seasonal naive"
NUM_LAGS = 7  # last values that a row knows one by one
NUM_SEASONAL = 4  # values at the same place of the last seasons
WINDOWS = (1, 2, 4, 8)  # in seasons: how far back the means of recent values reach
SMOOTH = 7  # steps on either side that a value of a year ago is averaged over


@dataclass(frozen=True)
class Past:
    """How the past of a series is looked at; all lengths in steps of time.

    `level` values before the origin make up the level; `year` is a multiple of the season, 0 where there is none.
    """

    horizon: int
    season: int
    level: int
    year: int = 0

    @property
    def fewest(self) -> int:
        """Values that an origin needs behind it, its own among them."""
        return max(2 * self.season, self.level)

    def levels(self, y_T: np.ndarray, origin_n: np.ndarray) -> np.ndarray:
        """Return the mean of the last `level` values at each origin."""
        return window_mean(y_T, origin_n - self.level + 1, origin_n)

    def features(self, y_T: np.ndarray, origin_n: np.ndarray, step_n: np.ndarray) -> dict[str, np.ndarray]:
        """Return the features of rows, NaN where the history is too short for one; values after an origin are unread.

        `origin_n` are positions in y_T of at least `fewest` - 1; `step_n` are 1 to `horizon`.
        """
        level_n = self.levels(y_T, origin_n)
        found = {"step": step_n.astype(np.float64)}
        found |= {f"lag {lag}": value_at(y_T, origin_n - lag) - level_n for lag in range(min(NUM_LAGS, self.fewest))}
        found |= self._seasonal(y_T, origin_n, step_n, level_n)
        for seasons in WINDOWS:
            width = seasons * self.season
            mean_n = window_mean(y_T, origin_n - width + 1, origin_n)
            found[f"mean of {width}"] = mean_n - level_n
            found[f"rise over {width}"] = mean_n - window_mean(y_T, origin_n - 2 * width + 1, origin_n - width)
        wide = 4 * self.season
        square_n = window_mean(y_T**2, origin_n - wide + 1, origin_n)
        mean_n = window_mean(y_T, origin_n - wide + 1, origin_n)
        found[f"spread of {wide}"] = np.sqrt(np.maximum(square_n - mean_n**2, 0))
        return found | self._year_ago(y_T, origin_n, step_n)

    def _seasonal(
        self, y_T: np.ndarray, origin_n: np.ndarray, step_n: np.ndarray, level_n: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the values at the target's place in the last seasons that are known, and how it usually differs."""
        newest_n = origin_n + step_n - self.season * -(-step_n // self.season)
        lag_nj = np.stack([value_at(y_T, newest_n - back * self.season) for back in range(NUM_SEASONAL)], axis=1)
        found = {SEASONAL_NAIVE: lag_nj[:, 0] - level_n}
        for back in range(1, NUM_SEASONAL):
            found[f"seasonal lag {back + 1}"] = lag_nj[:, back] - level_n
        known = [newest_n - back * self.season for back in range(2 * NUM_SEASONAL)]
        usual_nj = np.stack(
            [value_at(y_T, at_n) - window_mean(y_T, at_n - self.season + 1, at_n) for at_n in known[1:]], axis=1
        )
        found[f"seasonal mean {NUM_SEASONAL}"] = lag_nj.mean(axis=1) - level_n
        found["seasonal place"] = mean_known(usual_nj)
        return found

    def _year_ago(self, y_T: np.ndarray, origin_n: np.ndarray, step_n: np.ndarray) -> dict[str, np.ndarray]:
        """Return how the series went on from the same place a year ago."""
        if not self.year or self.year <= self.horizon + SMOOTH:
            return {}
        then_n, target_n = origin_n - self.year, origin_n - self.year + step_n
        level_n = window_mean(y_T, then_n - self.level + 1, then_n)
        return {
            "year ago": value_at(y_T, target_n) - level_n,
            "year ago smooth": window_mean(y_T, target_n - SMOOTH, target_n + SMOOTH) - level_n,
        }


def value_at(y_T: np.ndarray, position_n: np.ndarray) -> np.ndarray:
    """Return the values at positions, NaN before the first."""
    found: np.ndarray = np.where(position_n >= 0, y_T[np.maximum(position_n, 0)], np.nan)
    return found


def window_mean(y_T: np.ndarray, first_n: np.ndarray, last_n: np.ndarray) -> np.ndarray:
    """Return the mean of the values from `first_n` to `last_n`, both among them; NaN where the first is before all."""
    sum_T = np.concatenate([[0.0], np.cumsum(y_T)])
    start_n = np.maximum(first_n, 0)
    end_n = np.maximum(last_n + 1, start_n)
    total_n = sum_T[end_n] - sum_T[start_n]
    found: np.ndarray = np.where(first_n >= 0, total_n / np.maximum(end_n - start_n, 1), np.nan)
    return found


def mean_known(value_nj: np.ndarray) -> np.ndarray:
    """Return the mean of the values of each row that are known, NaN where none is."""
    count_n = (~np.isnan(value_nj)).sum(axis=1)
    found: np.ndarray = np.where(count_n > 0, np.nansum(value_nj, axis=1) / np.maximum(count_n, 1), np.nan)
    return found


def parts_of_past(label: str, time: str, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return what the features of a forecast speak of: parts of the label's past, the time, and other columns alone.

    Example:
        >>> parts_of_past("sold", "day", ["lag 0", "lag 1", "weekday", "holiday"])
        {'sold (last values)': ('lag 0', 'lag 1'), 'day': ('weekday',), 'holiday': ('holiday',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        part = next((part for part, pattern in PARTS.items() if re.fullmatch(pattern, name)), None)
        player = name if part is None else time if part == "time" else f"{label} ({part})"
        found[player] = (*found.get(player, ()), name)
    return found


PARTS = {
    "last values": r"lag \d+",
    "last seasons": r"seasonal (naive|place|lag \d+|mean \d+)",
    "means": r"(mean of|rise over|spread of) \d+",
    "a year ago": r"year ago( smooth)?",
    "time": r"step|place in season|month|weekday|day of month|hour|year (co)?sine \d",
}
