"""Share of the label's variance that the predictions explain."""

from __future__ import annotations

import numpy as np

from assay.metrics._rows import present, weighted_means
from assay.parts import Metric
from assay.vocabulary import Task


class R2(Metric):
    """Share of the label's variance that the predictions explain; 0 is as good as the mean, below 0 is worse.

    NaN when the label does not vary among the rows with weight.

    Example:
        >>> R2().score(np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [2.0]]))
        0.5
    """

    tasks = frozenset({Task.REGRESSION})

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the coefficient of determination."""
        from sklearn.metrics import r2_score

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if not len(y_N) or (y_N == y_N[0]).all():
            return float("nan")
        return float(r2_score(y_N, prediction_NK[:, 0], sample_weight=weight_N))

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B from the moments of label and error per resample."""
        # Centred first: the variance as a difference of moments loses digits when the mean is far from 0.
        centred_N = y_N - y_N.mean()
        error_N = y_N - prediction_NK[:, 0].astype(np.float64)
        moment_BV = weighted_means(weight_BN, np.column_stack([centred_N, centred_N**2, error_N**2]))
        variance_B = moment_BV[:, 1] - moment_BV[:, 0] ** 2
        # Below rounding noise the label is constant in the resample.
        variance_B[variance_B <= 1e-13 * moment_BV[:, 1]] = np.nan
        score_B: np.ndarray = 1.0 - moment_BV[:, 2] / variance_B
        return score_B
