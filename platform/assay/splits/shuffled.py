"""Rows divided at random."""

from __future__ import annotations

import numpy as np

from assay.parts import Split
from assay.splits._ranks import random_rank


class Shuffled(Split):
    """Every row is as likely in one fold as in another; fold sizes differ by one at most.

    Example:
        >>> np.bincount(Shuffled().folds(np.arange(10), None, 5, seed=0)).tolist()
        [2, 2, 2, 2, 2]
    """

    def test_rows(self, row_N: np.ndarray, guide_N: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
        return random_rank(row_N, seed) < round(fraction * len(row_N))

    def folds(self, row_N: np.ndarray, guide_N: np.ndarray | None, num_folds: int, seed: int) -> np.ndarray:
        return random_rank(row_N, seed) % num_folds
