"""Chance that a row of the class is ranked above a row of another class."""

from __future__ import annotations

import numpy as np

from assay.metrics._ranks import Ranking, area_under_roc
from assay.metrics._rows import present
from assay.parts import CLASSIFICATION, Metric


class RocAuc(Metric):
    """Chance that a random positive row gets a higher probability than a random negative one; ties count half.

    For more than two classes the mean of each class against the rest, over the classes that occur. Range 0 to 1,
    0.5 is guessing. NaN when only one class has rows with weight.
    Source: Hanley and McNeil 1982, Radiology 143(1); Fawcett 2006, Pattern Recognition Letters 27(8).

    Example:
        >>> RocAuc().score(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]))
        0.5
    """

    tasks = CLASSIFICATION

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the area under the curve."""
        from sklearn.metrics import roc_auc_score

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        classes = np.unique(y_N)
        if len(classes) < 2:
            return float("nan")
        # scikit-learn's own one-vs-rest refuses a class without rows, which a fold or a resample may well have.
        areas = [
            roc_auc_score(y_N == index, prediction_NK[:, index], sample_weight=weight_N)
            for index in ([1] if prediction_NK.shape[1] == 2 else classes)
        ]
        return float(np.mean(areas))

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B; each class is sorted once for all resamples."""
        num_classes = prediction_NK.shape[1]
        area_CB = np.array(
            [
                area_under_roc(Ranking.of(y_N == index, prediction_NK[:, index]), weight_BN)
                for index in ([1] if num_classes == 2 else range(num_classes))
            ]
        )
        occurs_CB = ~np.isnan(area_CB)
        with np.errstate(invalid="ignore"):
            mean_B: np.ndarray = np.where(occurs_CB, area_CB, 0.0).sum(axis=0) / occurs_CB.sum(axis=0)
        return mean_B
