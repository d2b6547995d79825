"""Scores of a ranking under many resamples: the rows are sorted once, each resample is one cumulative sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ranking:
    """Rows sorted by falling score; rows of equal score form one group."""

    order_N: np.ndarray
    positive_N: np.ndarray  # float64 0 and 1, in that order
    start_G: np.ndarray  # first position of each group

    @classmethod
    def of(cls, positive_N: np.ndarray, score_N: np.ndarray) -> Ranking:
        """Sort the rows."""
        order_N = np.argsort(-score_N, kind="stable")
        sorted_N = score_N[order_N]
        start_G = np.flatnonzero(np.r_[True, sorted_N[1:] != sorted_N[:-1]])
        return cls(order_N, positive_N[order_N].astype(np.float64), start_G)

    def weights(self, weight_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weight of the positive and of the negative rows of each group, best group first."""
        sorted_N = weight_N[self.order_N].astype(np.float64, copy=False)
        positive_N = sorted_N * self.positive_N
        negative_N = sorted_N - positive_N
        if len(self.start_G) == len(sorted_N):
            return positive_N, negative_N
        return np.add.reduceat(positive_N, self.start_G), np.add.reduceat(negative_N, self.start_G)


def area_under_roc(ranking: Ranking, weight_BN: np.ndarray) -> np.ndarray:
    """Return auc_B: the weighted share of (positive, negative) pairs in the right order, ties counting half.

    NaN where a resample holds only one class. Source: Hanley and McNeil 1982, Radiology 143(1).
    """
    area_B = np.full(len(weight_BN), np.nan)
    for index, weight_N in enumerate(weight_BN):
        # One resample at a time: its arrays stay in the cache, a (B, N) sort or gather would not.
        positive_G, negative_G = ranking.weights(weight_N)
        above_G = np.cumsum(positive_G)
        num_positive, num_negative = above_G[-1], negative_G.sum()
        if num_positive > 0 and num_negative > 0:
            area_B[index] = negative_G @ (above_G - 0.5 * positive_G) / (num_positive * num_negative)
    return area_B


def average_precisions(ranking: Ranking, weight_BN: np.ndarray) -> np.ndarray:
    """Return average precision per resample: precision at each threshold, weighted by the recall it adds.

    NaN where a resample holds only one class.
    """
    average_B = np.full(len(weight_BN), np.nan)
    for index, weight_N in enumerate(weight_BN):
        positive_G, negative_G = ranking.weights(weight_N)
        hits_G, false_G = np.cumsum(positive_G), np.cumsum(negative_G)
        if hits_G[-1] > 0 and false_G[-1] > 0:
            taken_G = hits_G + false_G
            precision_G = np.divide(hits_G, taken_G, out=np.zeros_like(hits_G), where=taken_G > 0)
            average_B[index] = positive_G @ precision_G / hits_G[-1]
    return average_B
