"""Mean absolute error, in units of the label."""

from __future__ import annotations

import numpy as np

from assay.metrics._rows import RowMean, present
from assay.vocabulary import Task


class MeanAbsoluteError(RowMean):
    """Mean absolute error, in units of the label; 0 is perfect. NaN when no row has weight.

    Example:
        >>> MeanAbsoluteError().score(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]))
        1.0
    """

    tasks = frozenset({Task.REGRESSION})
    greater_is_better = False
    best = 0.0

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the mean absolute error."""
        from sklearn.metrics import mean_absolute_error

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if not len(y_N):
            return float("nan")
        return float(mean_absolute_error(y_N, prediction_NK[:, 0], sample_weight=weight_N))

    def per_row(self, y_N: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
        """Return each row's absolute error."""
        error_N: np.ndarray = np.abs(y_N - prediction_NK[:, 0].astype(np.float64))
        return error_N
