"""Share of rows whose most probable class is the right one."""

from __future__ import annotations

import numpy as np

from assay.metrics._rows import RowMean, present
from assay.parts import CLASSIFICATION


class Accuracy(RowMean):
    """Share of rows whose most probable class is the right one; of equally probable classes the first counts.

    Range 0 to 1. NaN when no row has weight.

    Example:
        >>> Accuracy().score(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
        0.6666666666666666
    """

    tasks = CLASSIFICATION
    of_decisions = True

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the accuracy."""
        from sklearn.metrics import accuracy_score

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if not len(y_N):
            return float("nan")
        return float(accuracy_score(y_N, prediction_NK.argmax(axis=1), sample_weight=weight_N))

    def per_row(self, y_N: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
        """Return 1 where the decision is right, else 0."""
        right_N: np.ndarray = (prediction_NK.argmax(axis=1) == y_N).astype(np.float64)
        return right_N
