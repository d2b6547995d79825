"""Groups divided at random: rows of one group never fall on both sides."""

from __future__ import annotations

import numpy as np

from assay.parts import Split
from assay.seeds import row_hash

FEWEST_GROUPS = 3  # of which the smallest is the test, however large: the others are two folds


class ByGroup(Split):
    """The guide is the group's value; groups are dealt largest first to the fold with the fewest rows.

    Example:
        >>> fold_N = ByGroup().folds(np.arange(6), np.array(["a", "a", "b", "b", "c", "c"]), 3, seed=0)
        >>> [len(set(fold_N[[i, i + 1]])) for i in (0, 2, 4)]
        [1, 1, 1]
    """

    needs = "group"

    def test_rows(self, row_N: np.ndarray, guide_N: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
        code_N, order, size_L = _groups(guide_N, seed)
        chosen_L = np.zeros(len(size_L), bool)
        wanted, taken = fraction * len(row_N), 0
        for group in order:
            if taken + size_L[group] / 2 <= wanted:
                chosen_L[group] = True
                taken += size_L[group]
        if fraction > 0 and not taken and len(size_L) >= FEWEST_GROUPS:
            chosen_L[min(order, key=lambda group: size_L[group])] = True
        return np.asarray(chosen_L[code_N])

    def folds(self, row_N: np.ndarray, guide_N: np.ndarray | None, num_folds: int, seed: int) -> np.ndarray:
        code_N, order, size_L = _groups(guide_N, seed)
        fold_L, load_K = np.zeros(len(size_L), np.int64), np.zeros(num_folds, np.int64)
        for group in sorted(order, key=lambda group: -size_L[group]):
            fold_L[group] = load_K.argmin()
            load_K[fold_L[group]] += size_L[group]
        return np.asarray(fold_L[code_N])


def _groups(guide_N: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row's group code, the groups in random order, and their sizes."""
    assert guide_N is not None
    _, code_N, size_L = np.unique(guide_N, return_inverse=True, return_counts=True)
    return code_N, np.argsort(row_hash(np.arange(len(size_L)), seed), kind="stable"), size_L
