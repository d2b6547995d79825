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

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the positive rows, the negative rows, and per negative row the positives above and not below it."""
        mask_N = self.positive_N > 0
        group_N = np.zeros(len(mask_N), np.int64)
        group_N[self.start_G[1:]] = 1
        group_N = np.cumsum(group_N)
        positive_P, negative_Q = group_N[mask_N], group_N[~mask_N]
        above_Q, level_Q = (np.searchsorted(positive_P, negative_Q, side) for side in ("left", "right"))
        return self.order_N[mask_N], self.order_N[~mask_N], above_Q, level_Q

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
    positive_P, negative_Q, above_Q, level_Q = ranking.pairs()
    no_ties = bool((above_Q == level_Q).all())
    counted = np.int64 if weight_BN.dtype.kind in "iu" else np.float64  # whole numbers add up ten times as fast
    for index, weight_N in enumerate(weight_BN):
        # One resample at a time: its arrays stay in the cache, a (B, N) sort or gather would not.
        total_P = np.zeros(len(positive_P) + 1, counted)
        np.cumsum(weight_N[positive_P].astype(counted), out=total_P[1:])
        weight_Q = weight_N[negative_Q].astype(np.float64)
        num_positive, num_negative = total_P[-1], weight_Q.sum()
        if num_positive > 0 and num_negative > 0:
            ahead_Q = total_P[above_Q] if no_ties else 0.5 * (total_P[above_Q] + total_P[level_Q])
            area_B[index] = weight_Q @ ahead_Q / (num_positive * num_negative)
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
