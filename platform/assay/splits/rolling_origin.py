"""Rows of forecasts divided in time: models are judged on windows that begin after all they learned from has ended."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from assay.parts import Split
from assay.spec.strict import Strict
from assay.vocabulary import NO_FOLD


class RollingOrigin(Split):
    """The guide is the step of time of each row's origin; a row reaches `horizon` steps beyond it.

    The newer half of the rows is cut into stretches of equal size. A model judged on a stretch learns from the origins
    whose whole horizon had passed at its first origin. A row that reaches over the end of its stretch is held out
    nowhere: it has the number NO_FOLD - 1 - the stretch in which it ends, and later stretches may learn from it.

    Source: rolling-origin evaluation, Tashman 2000, International Journal of Forecasting 16(4).

    Example:
        >>> split = RollingOrigin(RollingOrigin.Params(horizon=2))
        >>> fold_N = split.folds(np.arange(8), np.arange(8), 2, seed=0)
        >>> fold_N.tolist()
        [-1, -1, -1, -2, 0, -3, 1, -4]
        >>> split.train_rows(fold_N, 1).tolist()
        [True, True, True, True, True, False, False, False]
    """

    class Params(Strict):
        """How far a row reaches."""

        horizon: int = Field(1, ge=1, le=10_000, description="steps of time from an origin to its last target")

    needs = "time"

    def test_rows(self, row_N: np.ndarray, guide_N: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
        assert guide_N is not None
        older_N: np.ndarray = np.searchsorted(np.sort(guide_N), guide_N, side="left")
        return older_N >= round((1 - fraction) * len(row_N))

    def folds(self, row_N: np.ndarray, guide_N: np.ndarray | None, num_folds: int, seed: int) -> np.ndarray:
        assert guide_N is not None
        place_F = len(guide_N) // 2 + np.arange(num_folds) * (len(guide_N) - len(guide_N) // 2) // num_folds
        border_F = np.append(np.sort(guide_N)[place_F], guide_N.max() + 1)  # first origin of each stretch, and the end
        begin_N = np.searchsorted(border_F, guide_N, side="right") - 1
        end_N = np.searchsorted(border_F, guide_N + self.params.horizon, side="left") - 1
        over_N = np.where(end_N < 0, NO_FOLD, NO_FOLD - 1 - end_N)
        return np.where((begin_N == end_N) & (begin_N >= 0), begin_N, over_N)

    def train_rows(self, fold_N: np.ndarray, fold: int) -> np.ndarray:
        end_N: np.ndarray = np.where(fold_N < NO_FOLD, NO_FOLD - 1 - fold_N, fold_N)
        return end_N < fold
