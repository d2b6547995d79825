"""Intervals by the bootstrap: the same resampled rows for all that is compared, so differences are paired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.parts import Metric
from assay.seeds import generator


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval."""

    score: float
    low: float
    high: float


def row_counts(num_rows: int, num_resamples: int, seed: int) -> np.ndarray:
    """Return weight_BN: how often each row is drawn in each of B resamples of N rows with replacement.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    chance = generator(seed, "bootstrap")
    weight_BN = np.empty((num_resamples, num_rows), np.uint8)
    for weight_N in weight_BN:
        weight_N[:] = np.bincount(chance.integers(0, num_rows, num_rows), minlength=num_rows)
    return weight_BN


def interval(score: float, score_B: np.ndarray) -> Interval:
    """Return the percentile interval of resampled scores; resamples without a score (one class only) are left out."""
    known = score_B[np.isfinite(score_B)]
    if not len(known):
        return Interval(score, float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(score, float(low), float(high))


def score_interval(metric: Metric, y_N: np.ndarray, prediction_NK: np.ndarray, weight_BN: np.ndarray) -> Interval:
    """Return a score and its interval."""
    return interval(float(metric.score(y_N, prediction_NK)), metric.resampled(y_N, prediction_NK, weight_BN))


def gain_interval(metric: Metric, score_B: np.ndarray, other_B: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of how much better the first is than the second, on the same resamples."""
    gap = np.asarray(metric.gain(score_B) - metric.gain(other_B))
    found = interval(0.0, gap)
    return found.low, found.high
