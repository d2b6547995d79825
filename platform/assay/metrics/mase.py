"""Mean absolute scaled error of forecasts: how their errors compare with those of the seasonal naive forecast."""

from __future__ import annotations

import numpy as np

from assay.metrics._rows import RowMean, present
from assay.vocabulary import Task


class MeanAbsoluteScaledError(RowMean):
    """Mean absolute error in units of the seasonal naive forecast's error within the training rows; 0 is perfect.

    Labels and predictions come in that unit, each series in its own: rows of forecasts are made so. The scale is the
    mean absolute difference of training values one season apart. NaN when no row has weight.

    Source: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22(4).

    Example:
        >>> MeanAbsoluteScaledError().score(np.array([1.0, 2.0]), np.array([[1.5], [2.0]]))
        0.25
    """

    tasks = frozenset({Task.REGRESSION})
    greater_is_better = False
    best = 0.0
    of_forecasts = True  # other rows are not told in units of a scale

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the mean absolute error of scaled rows."""
        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        return float(np.average(np.abs(y_N - prediction_NK[:, 0]), weights=weight_N)) if len(y_N) else float("nan")

    def per_row(self, y_N: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
        """Return each row's absolute error."""
        error_N: np.ndarray = np.abs(y_N - prediction_NK[:, 0].astype(np.float64))
        return error_N
