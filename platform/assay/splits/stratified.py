"""Rows divided at random within each class, so that every fold has the classes in proportion."""

from __future__ import annotations

import numpy as np

from assay.parts import Split
from assay.splits._ranks import rank_within


class Stratified(Split):
    """The guide is the label's class code; in each class, fold sizes differ by one at most.

    Example:
        >>> fold_N = Stratified().folds(np.arange(8), np.array([0] * 4 + [1] * 4), 2, seed=0)
        >>> np.bincount(fold_N[:4]).tolist()
        [2, 2]
    """

    needs = "label"

    def test_rows(self, row_N: np.ndarray, guide_N: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
        assert guide_N is not None
        rank_N, size_N = rank_within(guide_N, row_N, seed)
        wanted_N = np.minimum(np.round(fraction * size_N), size_N - 2)  # a class keeps two rows to train and judge
        return np.asarray(rank_N < wanted_N)

    def folds(self, row_N: np.ndarray, guide_N: np.ndarray | None, num_folds: int, seed: int) -> np.ndarray:
        assert guide_N is not None
        rank_N, _ = rank_within(guide_N, row_N, seed)
        _, code_N = np.unique(guide_N, return_inverse=True)
        return (rank_N + code_N) % num_folds  # the shift keeps many tiny classes from crowding fold 0
