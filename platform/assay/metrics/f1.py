"""Harmonic mean of precision and recall: of class 1 for two classes, averaged over classes for more."""

from __future__ import annotations

import numpy as np

from assay.metrics._confusion import confusion
from assay.metrics._rows import present
from assay.parts import CLASSIFICATION, Metric


class F1(Metric):
    """Harmonic mean of precision and recall: of the positive class (1) for two classes, the macro mean for more.

    The macro mean runs over classes that occur or were predicted. Range 0 to 1. NaN when no row has weight, and for
    two classes when no row is positive.

    Example:
        >>> F1().score(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
        0.6666666666666666
    """

    tasks = CLASSIFICATION
    of_decisions = True

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the F1 score."""
        from sklearn.metrics import f1_score

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        binary = prediction_NK.shape[1] == 2
        if not len(y_N) or (binary and not (y_N == 1).any()):
            return float("nan")
        average = "binary" if binary else "macro"
        decision_N = prediction_NK.argmax(axis=1)
        return float(f1_score(y_N, decision_N, average=average, sample_weight=weight_N, zero_division=0.0))

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B from one confusion matrix per resample."""
        count_BKK = confusion(y_N, prediction_NK, weight_BN)
        right_BK = np.diagonal(count_BKK, axis1=1, axis2=2)
        size_BK, called_BK = count_BKK.sum(axis=2), count_BKK.sum(axis=1)
        both_BK = size_BK + called_BK
        f1_BK = np.divide(2 * right_BK, both_BK, out=np.zeros_like(both_BK), where=both_BK > 0)
        if prediction_NK.shape[1] == 2:
            return np.where(size_BK[:, 1] > 0, f1_BK[:, 1], np.nan)
        with np.errstate(invalid="ignore"):
            mean_B: np.ndarray = f1_BK.sum(axis=1) / (both_BK > 0).sum(axis=1)
        return mean_B
