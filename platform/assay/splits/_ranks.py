"""Fair division by hashed row id: the same rows on any machine, without a shuffle."""

from __future__ import annotations

import numpy as np

from assay.seeds import row_hash


def random_rank(row_N: np.ndarray, seed: int) -> np.ndarray:
    """Return the place of each row, 0 to N - 1, in a random order that depends on its id alone."""
    rank_N = np.empty(len(row_N), np.int64)
    rank_N[np.lexsort((row_N, row_hash(row_N, seed)))] = np.arange(len(row_N))
    return rank_N


def rank_within(level_N: np.ndarray, row_N: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the random place of each row among the rows of its level, and the size of that level."""
    _, code_N, count_L = np.unique(level_N, return_inverse=True, return_counts=True)
    order = np.lexsort((row_N, row_hash(row_N, seed), code_N))
    first_L = np.cumsum(count_L) - count_L
    rank_N = np.empty(len(row_N), np.int64)
    rank_N[order] = np.arange(len(row_N)) - first_L[code_N[order]]
    return rank_N, count_L[code_N]
