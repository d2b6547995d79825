"""What metrics share: leaving out rows without weight, and scores that are means over rows."""

from __future__ import annotations

import numpy as np

from assay.parts import Metric


def present(
    y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the rows that count: without rows of weight 0, in float64, so that a vanished class is seen as such."""
    prediction_NK = prediction_NK.astype(np.float64, copy=False)
    if weight_N is None or weight_N.all():
        return y_N, prediction_NK, weight_N
    mask_N = weight_N > 0
    return y_N[mask_N], prediction_NK[mask_N], weight_N[mask_N]


def probabilities(prediction_NK: np.ndarray) -> np.ndarray:
    """Return float64 probabilities whose rows sum to 1; float32 misses that by more than scikit-learn bears."""
    prediction_NK = prediction_NK.astype(np.float64, copy=False)
    normalised_NK: np.ndarray = prediction_NK / prediction_NK.sum(axis=1, keepdims=True)
    return normalised_NK


def weighted_means(weight_BN: np.ndarray, value_NV: np.ndarray) -> np.ndarray:
    """Return the mean of each value under each row of weights, NaN where all weights are 0."""
    weight_BN = weight_BN.astype(np.float64, copy=False)  # numpy multiplies whole numbers without BLAS, 20 times slower
    total_B = weight_BN.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: np.ndarray = ((weight_BN @ value_NV).T / total_B).T
    return mean


class RowMean(Metric):
    """A metric that is the mean of one number per row, so that all resamples are one matrix product."""

    def per_row(self, y_N: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
        """Return value_N, float64, whose weighted mean is the score."""
        raise NotImplementedError

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B; equal to `score` under each row of weights."""
        return weighted_means(weight_BN, self.per_row(y_N, prediction_NK))
