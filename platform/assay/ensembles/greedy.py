"""Members weighted by greedy selection with replacement: whoever helps the score most is added, again and again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from assay.parts import Call, Ensemble, Evidence, Job, Learned
from assay.spec.strict import Strict


class Greedy(Ensemble):
    """Weights are the shares of the draws; most members end with none, so the model stays small.

    Source: Caruana et al. 2004, "Ensemble selection from libraries of models", ICML.

    Example:
        >>> learned = Learned({"weights": [0.25, 0.0, 0.75]})
        >>> Greedy().used(learned, 3), Greedy().combine(learned, np.array([[[4.0]], [[8.0]]])).tolist()
        ([0, 2], [[7.0]])
    """

    class Params(Strict):
        num_draws: int = Field(25, ge=1, le=1_000, description="members added, with replacement")

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        (weight_M,) = yield [Call(select, {"num_draws": self.params.num_draws})]
        return Learned({"weights": weight_M})

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        weight_m = np.array([weight for weight in learned.values["weights"] if weight > 0])
        combined_NK: np.ndarray = np.tensordot(weight_m, prediction_MNK, axes=1)
        return combined_NK

    def used(self, learned: Learned, num_members: int) -> list[int]:
        return [index for index, weight in enumerate(learned.values["weights"]) if weight > 0]


def select(evidence: Evidence, num_draws: int) -> list[float]:
    """Return the weight of each member; the best prefix of the draws counts, so later ones cannot hurt."""
    prediction_MNK, metric = evidence.prediction_MNK, evidence.metric
    once_1N = np.ones((1, len(evidence.y_N)), np.uint8)

    def gain(prediction_NK: np.ndarray) -> float:
        # One resample that draws each row once: the metric's fast path, three times as fast as `score`.
        return float(metric.gain(metric.resampled(evidence.y_N, prediction_NK, once_1N)[0]))

    total_NK = np.zeros(prediction_MNK.shape[1:], np.float64)
    drawn: list[int] = []
    best_gain, best_length = -np.inf, 1
    for draw in range(1, num_draws + 1):
        gain_M = [gain((total_NK + member_NK) / draw) for member_NK in prediction_MNK]
        chosen = int(np.argmax(gain_M))  # the first of equals: the better trial, since members come best first
        drawn.append(chosen)
        total_NK += prediction_MNK[chosen]
        if gain_M[chosen] > best_gain:
            best_gain, best_length = gain_M[chosen], draw
        elif draw - best_length >= 5:
            break
    count_M = np.bincount(drawn[:best_length], minlength=len(prediction_MNK))
    weights: list[float] = (count_M / best_length).tolist()
    return weights
