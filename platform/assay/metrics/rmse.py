"""Root of the mean squared error, in units of the label."""

from __future__ import annotations

import numpy as np

from assay.metrics._rows import RowMean, present
from assay.vocabulary import Task


class RootMeanSquaredError(RowMean):
    """Root of the mean squared error, in units of the label; 0 is perfect. NaN when no row has weight.

    Example:
        >>> RootMeanSquaredError().score(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]))
        1.4142135623730951
    """

    tasks = frozenset({Task.REGRESSION})
    greater_is_better = False
    best = 0.0

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the root mean squared error."""
        from sklearn.metrics import root_mean_squared_error

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if not len(y_N):
            return float("nan")
        return float(root_mean_squared_error(y_N, prediction_NK[:, 0], sample_weight=weight_N))

    def per_row(self, y_N: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
        """Return each row's squared error."""
        square_N: np.ndarray = (y_N - prediction_NK[:, 0].astype(np.float64)) ** 2
        return square_N

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B: the root of the mean per resample."""
        root_B: np.ndarray = np.sqrt(super().resampled(y_N, prediction_NK, weight_BN))
        return root_B
