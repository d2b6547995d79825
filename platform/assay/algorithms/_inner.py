"""Chooses the rows on which an early stop is decided: never those of the fold that judges the model."""

from __future__ import annotations

import numpy as np

from assay.seeds import generator

MIN_INNER_ROWS = 20  # fewer say nothing about when to stop


def inner_rows(y_N: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return a mask of about `fraction` of the rows, spread evenly over the label; empty when they would be too few.

    Rows are ordered by label, then by chance, and every 1/fraction-th is taken: each class gives its share to within
    one row, and numbers are covered from the smallest to the largest. Every class keeps rows outside.

    Example:
        >>> inner_rows(np.repeat([0, 1], [900, 100]), 0.1, seed=0).nonzero()[0].size
        100
    """
    mask_N = np.zeros(len(y_N), bool)
    num_inner = int(len(y_N) * fraction)
    if num_inner < MIN_INNER_ROWS:
        return mask_N
    draw = generator(seed, "inner_rows")
    order_N = np.lexsort((draw.random(len(y_N)), y_N))
    place_n = (np.arange(num_inner) + draw.random()) * (len(y_N) / num_inner)
    mask_N[order_N[place_n.astype(np.int64)]] = True
    return mask_N
