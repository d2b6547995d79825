"""Rows divided in time: models are judged on rows later than all they learned from."""

from __future__ import annotations

import numpy as np

from assay.parts import Split
from assay.vocabulary import NO_FOLD

FEWEST_TIMES = 3  # of which the newest is the test, however many rows it has: the others are a fold and its past


class ByTime(Split):
    """The guide orders the rows; the newest are the test, and each fold learns only from older rows.

    The oldest of num_folds + 1 equal stretches is never held out. Equal times stay together.

    Source: rolling-origin evaluation, Tashman 2000, International Journal of Forecasting 16(4).

    Example:
        >>> ByTime().folds(np.arange(6), np.arange(6), 2, seed=0).tolist()
        [-1, -1, 0, 0, 1, 1]
    """

    needs = "time"

    def test_rows(self, row_N: np.ndarray, guide_N: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
        age_N = _age(guide_N)
        newest_N: np.ndarray = age_N >= round((1 - fraction) * len(row_N))
        if fraction > 0 and not newest_N.any() and len(np.unique(age_N)) >= FEWEST_TIMES:
            newest_N = age_N == age_N.max()
        return newest_N

    def folds(self, row_N: np.ndarray, guide_N: np.ndarray | None, num_folds: int, seed: int) -> np.ndarray:
        stretch_N = _age(guide_N) * (num_folds + 1) // max(len(row_N), 1)
        return np.where(stretch_N == 0, NO_FOLD, stretch_N - 1)

    def train_rows(self, fold_N: np.ndarray, fold: int) -> np.ndarray:
        return fold_N < fold


def _age(guide_N: np.ndarray | None) -> np.ndarray:
    """Return how many rows are strictly older than each row, so that equal times get equal places."""
    assert guide_N is not None
    age_N: np.ndarray = np.searchsorted(np.sort(guide_N), guide_N, side="left")
    return age_N
