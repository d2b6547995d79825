"""Mean over classes of the share of their rows that were recognised."""

from __future__ import annotations

import warnings

import numpy as np

from assay.metrics._confusion import confusion
from assay.metrics._rows import present
from assay.parts import CLASSIFICATION, Metric


class BalancedAccuracy(Metric):
    """Mean over the classes that occur of the share of their rows that were recognised; rare classes count fully.

    Range 0 to 1. NaN when no row has weight.
    Source: Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", ICPR.

    Example:
        >>> BalancedAccuracy().score(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]))
        0.5
    """

    tasks = CLASSIFICATION
    of_decisions = True

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the balanced accuracy."""
        from sklearn.metrics import balanced_accuracy_score

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if not len(y_N):
            return float("nan")
        with warnings.catch_warnings():
            # A class that is predicted but does not occur is left out of the mean, as it should be.
            warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
            warnings.filterwarnings("ignore", message="A single label was found")
            return float(balanced_accuracy_score(y_N, prediction_NK.argmax(axis=1), sample_weight=weight_N))

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B from one confusion matrix per resample."""
        count_BKK = confusion(y_N, prediction_NK, weight_BN)
        size_BK = count_BKK.sum(axis=2)
        right_BK = np.diagonal(count_BKK, axis1=1, axis2=2)
        recall_BK = np.divide(right_BK, size_BK, out=np.zeros_like(size_BK), where=size_BK > 0)
        with np.errstate(invalid="ignore"):
            mean_B: np.ndarray = recall_BK.sum(axis=1) / (size_BK > 0).sum(axis=1)
        return mean_B
