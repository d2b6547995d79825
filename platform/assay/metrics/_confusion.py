"""Weighted confusion matrices of many resamples, from which scores of hard decisions follow."""

from __future__ import annotations

import numpy as np


def confusion(y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
    """Return count_BKK: weight of the rows of class i (first K) that were called class j (second K)."""
    num_classes = prediction_NK.shape[1]
    cell_N = y_N * num_classes + prediction_NK.argmax(axis=1)
    counts = [np.bincount(cell_N, weights=weight_N, minlength=num_classes**2) for weight_N in weight_BN]
    return np.array(counts).reshape(-1, num_classes, num_classes)
