"""Members weighted by greedy selection with replacement: whoever helps the score most is added, again and again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from assay.ensembles._selection import loss_gains, metric_gains, select, thinned
from assay.ensembles._weights import of_present
from assay.parts import Call, Ensemble, Evidence, Job, Learned
from assay.seeds import generator
from assay.spec.strict import Strict

NEGLIGIBLE = 0.01  # a member with less weight costs a fit and a prediction for each row, and moves neither


class Greedy(Ensemble):
    """Weights are the shares of the draws; most members end with none, so the model stays small.

    With `bags`, the selection is repeated on random subsets of the members and the weights are averaged, so that no
    single lucky member takes all. Draws are chosen by log loss or squared error unless told otherwise: a metric of
    ranks does not mind probabilities that are far off.

    Source: Caruana et al. 2004, "Ensemble selection from libraries of models", ICML; 2006, "Getting the most out of
    ensemble selection", ICDM, on bags, sorted starts and overfitting.

    Example:
        >>> learned = Learned({"weights": [0.25, 0.0, 0.75]})
        >>> Greedy().used(learned, 3), Greedy().combine(learned, np.array([[[4.0]], [[8.0]]])).tolist()
        ([0, 2], [[7.0]])
    """

    class Params(Strict):
        num_draws: int = Field(25, ge=1, le=1_000, description="members added, with replacement")
        bags: int = Field(1, ge=1, le=200, description="selections on random subsets of the members; 1 is all, once")
        bag_fraction: float = Field(0.5, gt=0, le=1, description="share of the members in each bag")
        start: int = Field(0, ge=0, le=1_000, description="how many of the best are drawn first, once each")
        by: Literal["loss", "metric"] = Field("loss", description="log loss or squared error, or the metric asked for")

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        (weight_M,) = yield [Call(weigh, {**self.params.model_dump(), "seed": seed})]
        return Learned({"weights": weight_M})

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        weight_m = np.array([weight for weight in learned.values["weights"] if weight > 0])
        combined_NK: np.ndarray = np.tensordot(weight_m, prediction_MNK, axes=1)
        return combined_NK

    def partial(self, learned: Learned, present_m: Sequence[int]) -> Learned:
        return of_present(learned, present_m)

    def used(self, learned: Learned, num_members: int) -> list[int]:
        return [index for index, weight in enumerate(learned.values["weights"]) if weight > 0]


def weigh(
    evidence: Evidence, num_draws: int, bags: int, bag_fraction: float, start: int, by: str, seed: int
) -> list[float]:
    """Return the weight of each member: the mean over the bags, without those that hardly count."""
    evidence = thinned(evidence, seed)
    num_members = len(evidence.names)
    weight_M = np.zeros(num_members)
    for bag in range(bags):
        # A bag keeps the order, so its first is the best it has.
        size = num_members if bags == 1 else max(1, round(bag_fraction * num_members))
        bag_m = np.sort(generator(seed, "bag", bag).permutation(num_members)[:size])
        part = replace(evidence, names=(), prediction_MNK=evidence.prediction_MNK[bag_m])
        gains = loss_gains(part) if by == "loss" else metric_gains(part)
        weight_M[bag_m] += select(gains, size, num_draws, min(start, size)) / bags
    weight_M[weight_M < min(NEGLIGIBLE, weight_M.max())] = 0.0
    weights: list[float] = (weight_M / weight_M.sum()).tolist()
    return weights
