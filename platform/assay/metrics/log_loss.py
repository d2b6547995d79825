"""Mean negative logarithm of the probability given to the right class."""

from __future__ import annotations

import numpy as np

from assay.metrics._rows import RowMean, present, probabilities
from assay.parts import CLASSIFICATION


class LogLoss(RowMean):
    """Mean negative natural logarithm of the probability given to the right class, in nats; 0 is perfect.

    A probability of 0 counts as 2e-16, so one sure mistake costs at most 36 nats. NaN when no row has weight.

    Example:
        >>> round(LogLoss().score(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]])), 4)
        0.6931
    """

    tasks = CLASSIFICATION
    greater_is_better = False
    best = 0.0

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the log loss."""
        from sklearn.metrics import log_loss

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if not len(y_N):
            return float("nan")
        labels = np.arange(prediction_NK.shape[1])
        probability_NK = probabilities(prediction_NK)
        return float(log_loss(y_N, y_proba=probability_NK, labels=labels, sample_weight=weight_N))

    def per_row(self, y_N: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
        """Return the negative logarithm of each row's probability of its class."""
        right_N = probabilities(prediction_NK)[np.arange(len(y_N)), y_N]
        smallest = np.finfo(np.float64).eps  # what scikit-learn clips to
        loss_N: np.ndarray = -np.log(np.clip(right_N, smallest, 1 - smallest))
        return loss_N
