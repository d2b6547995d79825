"""Greedy selection with replacement, shared by the methods that learn weights draw by draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assay.parts import Evidence
from assay.seeds import generator

MAX_ROWS = 50_000  # more rows move a weight by less than the next fold does
PATIENCE = 5  # draws without a gain before the selection ends
SMALLEST = np.float32(1e-7)  # a probability of 0 costs 16 nats

Gains = Callable[[np.ndarray, int], np.ndarray]  # (count_M of the draws so far, their number) -> gain_M of one more


def thinned(evidence: Evidence, seed: int) -> Evidence:
    """Return the evidence, on a sample of its rows where there are more than `MAX_ROWS`."""
    if len(evidence.y_N) <= MAX_ROWS:
        return evidence
    chosen_n = generator(seed, "thinned").choice(len(evidence.y_N), MAX_ROWS, replace=False)
    return evidence.rows(np.sort(chosen_n))


def select(gains: Gains, num_members: int, num_draws: int, start: int = 0) -> np.ndarray:
    """Return weight_M, shares of the draws; the best prefix of them counts, so that later ones cannot hurt.

    The best `start` members are drawn first, whatever they gain.
    Source: Caruana et al. 2004, "Ensemble selection from libraries of models", ICML.
    """
    count_M = np.zeros(num_members)
    count_M[:start] = 1
    best_gain, best_M, last_gain_at = -np.inf, count_M.copy(), start
    for drawn in range(start, max(num_draws, start + 1)):
        gain_M = gains(count_M, drawn)
        chosen = int(np.argmax(gain_M))  # the first of equals: the better trial, since members come best first
        count_M[chosen] += 1
        if gain_M[chosen] > best_gain:
            best_gain, best_M, last_gain_at = float(gain_M[chosen]), count_M.copy(), drawn
        elif drawn - last_gain_at >= PATIENCE:
            break
    weight_M: np.ndarray = best_M / max(best_M.sum(), 1)
    return weight_M


def loss_gains(evidence: Evidence) -> Gains:
    """Return how far one more draw lowers the log loss or the squared error; all members at once."""
    if evidence.prediction_MNK.shape[2] == 1:
        return _squared_error_gains(evidence)
    said_MN = right_probabilities(evidence)
    num_rows = said_MN.shape[1]
    # A row of ones has no loss; with rows in fours one logarithm of a product serves four of them.
    right_MN = np.pad(said_MN, ((0, 0), (0, -num_rows % 4)), constant_values=1.0)
    mixed_MN = np.empty_like(right_MN)  # memory that is fresh at each draw costs more than the sums
    first_MQ, second_MQ, third_MQ, fourth_MQ = np.split(mixed_MN, 4, axis=1)

    def gains(count_M: np.ndarray, drawn: int) -> np.ndarray:
        np.add(right_MN, count_M.astype(np.float32) @ right_MN, out=mixed_MN)
        np.multiply(mixed_MN, np.float32(1 / (drawn + 1)), out=mixed_MN)
        np.maximum(mixed_MN, SMALLEST, out=mixed_MN)
        for factor_MQ in (second_MQ, third_MQ, fourth_MQ):
            np.multiply(first_MQ, factor_MQ, out=first_MQ)
        mean_M: np.ndarray = np.log(first_MQ, out=first_MQ).sum(axis=1, dtype=np.float64) / max(num_rows, 1)
        return mean_M

    return gains


def right_probabilities(evidence: Evidence) -> np.ndarray:
    """Return right_MN: the probability that each member gave to the class of each row."""
    right_MN: np.ndarray = evidence.prediction_MNK[:, np.arange(len(evidence.y_N)), evidence.y_N]
    return right_MN


def error_products(evidence: Evidence) -> np.ndarray:
    """Return product_MM: the mean product of two members' errors, summed over classes; all that squared error needs."""
    num_members, num_rows, num_classes = evidence.prediction_MNK.shape
    truth_NK = evidence.y_N[:, None] if num_classes == 1 else np.eye(num_classes)[evidence.y_N]
    error_MV = (evidence.prediction_MNK - truth_NK).reshape(num_members, -1).astype(np.float64)
    product_MM: np.ndarray = error_MV @ error_MV.T / max(num_rows, 1)
    return product_MM


def _squared_error_gains(evidence: Evidence) -> Gains:
    product_MM = error_products(evidence)

    def gains(count_M: np.ndarray, drawn: int) -> np.ndarray:
        crossed_M = product_MM @ count_M
        total_M: np.ndarray = count_M @ crossed_M + 2 * crossed_M + np.diag(product_MM)
        return np.asarray(-total_M / (drawn + 1) ** 2)

    return gains


def metric_gains(evidence: Evidence) -> Gains:
    """Return what one more draw gains by the experiment's metric."""
    metric, once_1N = evidence.metric, np.ones((1, len(evidence.y_N)), np.uint8)

    def gain(prediction_NK: np.ndarray) -> float:
        # One resample that draws each row once: the metric's fast path, three times as fast as `score`.
        return float(metric.gain(metric.resampled(evidence.y_N, prediction_NK, once_1N)[0]))

    def gains(count_M: np.ndarray, drawn: int) -> np.ndarray:
        total_NK = np.tensordot(count_M, evidence.prediction_MNK, axes=1)
        return np.array([gain((total_NK + member_NK) / (drawn + 1)) for member_NK in evidence.prediction_MNK])

    return gains
