"""Mean squared distance between the probabilities and what happened."""

from __future__ import annotations

import numpy as np

from assay.metrics._rows import RowMean, present, probabilities
from assay.parts import CLASSIFICATION


class Brier(RowMean):
    """Mean squared distance between the probabilities and what happened; 0 is perfect.

    Two classes: range 0 to 1 (the usual form, of the positive class); more: 0 to 2, summed over classes.
    NaN when no row has weight. Source: Brier 1950, Monthly Weather Review 78(1).

    Example:
        >>> Brier().score(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]))
        0.25
    """

    tasks = CLASSIFICATION
    greater_is_better = False
    best = 0.0

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the Brier score."""
        from sklearn.metrics import brier_score_loss

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if not len(y_N):
            return float("nan")
        labels = np.arange(prediction_NK.shape[1])
        return float(brier_score_loss(y_N, probabilities(prediction_NK), labels=labels, sample_weight=weight_N))

    def per_row(self, y_N: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
        """Return each row's squared distance, halved for two classes."""
        distance_NK = probabilities(prediction_NK)
        distance_NK[np.arange(len(y_N)), y_N] -= 1.0
        square_N: np.ndarray = (distance_NK**2).sum(axis=1)
        return square_N / 2 if prediction_NK.shape[1] == 2 else square_N
