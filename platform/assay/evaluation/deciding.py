"""Learns from out-of-fold probabilities which class to answer with, for metrics that judge the answer alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.decision import Decision
from assay.evaluation.bootstrap import row_counts
from assay.parts import Metric

NUM_RESAMPLES = 25  # whose best weights are averaged: the best on the rows as they are is half luck
NUM_JUDGING_RESAMPLES = 200
MAX_ROWS = 50_000  # that weights are learned from, as many of each class
NUM_THRESHOLDS = 50  # of each class
POWERS = np.linspace(0.0, 1.5, 31)


@dataclass(frozen=True)
class Decided:
    """A decision, and the score without and with it, each fold decided as the other folds taught."""

    decision: Decision | None
    score_before: float
    score_after: float


def decided(metric: Metric, probability_NK: np.ndarray, y_N: np.ndarray, fold_N: np.ndarray, seed: int) -> Decided:
    """Learn a decision; none where it gains no more than one standard error on folds that it did not learn from."""
    before = float(metric.score(y_N, probability_NK))
    weighed_NK = np.empty_like(probability_NK)
    for fold in np.unique(fold_N):
        held_N = fold_N == fold
        decision = learned(metric, probability_NK[~held_N], y_N[~held_N], seed)
        weighed_NK[held_N] = decision.weighed(probability_NK[held_N])
    after = float(metric.score(y_N, weighed_NK))
    weight_BN = row_counts(len(y_N), NUM_JUDGING_RESAMPLES, seed)
    old_B, new_B = (metric.resampled(y_N, some_NK, weight_BN) for some_NK in (probability_NK, weighed_NK))
    noise = float(np.nanstd(np.asarray(metric.gain(new_B) - metric.gain(old_B))))
    if not metric.gain(after) - metric.gain(before) > noise:
        return Decided(None, before, before)
    return Decided(learned(metric, probability_NK, y_N, seed), before, after)


def learned(metric: Metric, probability_NK: np.ndarray, y_N: np.ndarray, seed: int) -> Decision:
    """Return the geometric mean of the weights that are best on each of a few resamples.

    For two classes that is the mean, in log odds, of the best thresholds: half to a fifth of the regret of the one best
    threshold on simulated rows, 500 to 8,000 of them. More classes are weighed by a power of how rare they are: one
    number to learn, where a weight for each class gained nothing on rows that it had not seen.
    """
    rows, share_n = _thinned(y_N, probability_NK.shape[1])
    probability_nK, y_n = probability_NK[rows], y_N[rows]
    weight_Bn = row_counts(len(rows), NUM_RESAMPLES, seed) * share_n
    weight_TK = _candidates(probability_nK, y_n, np.bincount(y_N, minlength=probability_NK.shape[1]))
    gain_TB = np.array([metric.gain(metric.resampled(y_n, probability_nK * w_K, weight_Bn)) for w_K in weight_TK])
    gain_TB = np.where(np.isfinite(gain_TB), gain_TB, -np.inf)
    best_TB = gain_TB == gain_TB.max(axis=0)  # many are where classes are told apart easily; their middle is the safest
    share_T = (best_TB / best_TB.sum(axis=0)).mean(axis=1)
    weight_K = np.exp((share_T[:, None] * np.log(weight_TK)).sum(axis=0))
    return Decision(weights=tuple((weight_K / weight_K.sum()).tolist()))


def _thinned(y_N: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that are at most MAX_ROWS, rare classes whole, and for how many rows each of them stands."""
    kept, share = [], []
    for index in range(num_classes):
        place_n = np.flatnonzero(y_N == index)
        step = -(-len(place_n) * num_classes // MAX_ROWS) or 1
        kept.append(place_n[::step])
        share.append(np.full(len(kept[-1]), len(place_n) / max(len(kept[-1]), 1)))
    return np.concatenate(kept), np.concatenate(share)


def _candidates(probability_nK: np.ndarray, y_n: np.ndarray, count_K: np.ndarray) -> np.ndarray:
    """Return weight_TK: thresholds where rows of either class lie, or powers of how rare classes are."""
    if probability_nK.shape[1] == 2:
        places = np.linspace(0, 1, NUM_THRESHOLDS + 1, endpoint=False)[1:]
        found = [np.quantile(probability_nK[y_n == index, 1], places) for index in (0, 1) if (y_n == index).any()]
        threshold_T = np.clip(np.unique(np.concatenate([[0.5], *found])), 1e-9, 1 - 1e-9)
        return np.column_stack([threshold_T, 1 - threshold_T])
    rare_K = (count_K.sum() + len(count_K)) / (count_K + 1)
    return np.asarray(rare_K ** POWERS[:, None])
