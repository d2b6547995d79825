"""Area under the precision-recall curve, the mean precision over all positives."""

from __future__ import annotations

import numpy as np

from assay.metrics._ranks import Ranking, average_precisions
from assay.metrics._rows import present
from assay.parts import Metric
from assay.vocabulary import Task


class AveragePrecision(Metric):
    """Precision at each threshold, weighted by the recall it adds: the score for rare positives.

    Range 0 to 1; guessing gives the share of positive rows. NaN when only one class has rows with weight.

    Example:
        >>> AveragePrecision().score(np.array([0, 1, 1]), np.array([[0.5, 0.5], [0.6, 0.4], [0.1, 0.9]]))
        0.8333333333333333
    """

    tasks = frozenset({Task.BINARY})

    def score(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_N: np.ndarray | None = None) -> float:
        """Return the average precision."""
        from sklearn.metrics import average_precision_score

        y_N, prediction_NK, weight_N = present(y_N, prediction_NK, weight_N)
        if len(np.unique(y_N)) < 2:
            return float("nan")
        return float(average_precision_score(y_N, prediction_NK[:, 1], sample_weight=weight_N))

    def resampled(self, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> np.ndarray:
        """Return score_B; the rows are sorted once for all resamples."""
        return average_precisions(Ranking.of(y_N == 1, prediction_NK[:, 1]), weight_BN)
