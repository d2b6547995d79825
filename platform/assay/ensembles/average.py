"""Members averaged: numbers or probabilities, by mean, median, weighted mean or mean rank."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator, ValidationInfo

from assay.ensembles._weights import EQUAL, LEARNED, by_least_squares, checked_weights, normalised, of_present
from assay.parts import Call, Ensemble, Evidence, Job, Learned
from assay.spec.strict import Strict

NUM_LEVELS = 257  # quantiles kept for each member and class


def _weights_of_a_mean(value: Any, info: ValidationInfo) -> str | list[float]:
    if value != EQUAL and info.data.get("by", "mean") != "mean":
        raise ValueError("only the mean has weights: write `by: mean`, or leave weights out")
    return checked_weights(value, info)


class Average(Ensemble):
    """The mean, the median, the weighted mean or the mean rank of the members' predictions.

    `by: rank` averages the places that a row takes among each member's out-of-fold predictions, so that a member that
    speaks in another scale counts no more than others; the mean place is turned back by the members' mean quantiles.
    Learned weights are non-negative, sum to 1 and minimise the squared error out of fold. Probabilities sum to 1.

    Source: Breiman 1996, "Stacked regressions", Machine Learning 24, for weights; Vincent 1912 for averaged quantiles.

    Example:
        >>> Average(Average.Params(by="median")).combine(Learned(), np.array([[[1.0]], [[2.0]], [[9.0]]])).tolist()
        [[2.0]]
    """

    class Params(Strict):
        by: Literal["mean", "median", "rank"] = Field(
            "mean", description="the median shrugs off a member that is far off, ranks one of another scale"
        )
        members: int = Field(5, ge=2, le=1_000, description="how many of the best take part")
        weights: Annotated[str | list[float], PlainValidator(_weights_of_a_mean)] = Field(
            EQUAL, description="equal, learned, or a list with one for each of the members, the best first"
        )

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        num_members = min(self.params.members, len(evidence.names))
        if self.params.by == "rank":
            (levels,) = yield [Call(quantiles, {"num_members": num_members})]
            return Learned({"quantiles": levels})
        if self.params.weights == LEARNED:
            (weights,) = yield [Call(learn, {"num_members": num_members, "seed": seed})]
            return Learned({"weights": weights})
        yield []
        if self.params.weights == EQUAL:
            return Learned()
        return Learned({"weights": normalised(self.params.weights, num_members)})

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        if self.params.by == "rank":
            return by_rank(learned.values["quantiles"], prediction_MNK, learned.values.get("scale"))
        if "weights" in learned.values:
            weight_m = np.array([weight for weight in learned.values["weights"] if weight > 0])
            return summing_to_one(np.tensordot(weight_m, prediction_MNK, axes=1), prediction_MNK)
        by = np.mean if self.params.by == "mean" else np.median
        return summing_to_one(by(prediction_MNK, axis=0), prediction_MNK)

    def partial(self, learned: Learned, present_m: Sequence[int]) -> Learned:
        if self.params.by != "rank":
            return of_present(learned, present_m)
        known = learned.values["quantiles"]  # a mean place is still turned back by those of all: the scale stays
        return Learned({"quantiles": [known[place] for place in present_m], "scale": known})

    def used(self, learned: Learned, num_members: int) -> list[int]:
        weights = learned.values.get("weights", [1.0] * min(self.params.members, num_members))
        return [index for index, weight in enumerate(weights) if weight > 0]


def summing_to_one(joined_NK: np.ndarray, prediction_MNK: np.ndarray) -> np.ndarray:
    """Return rows that sum to 1 where there are classes; the plain mean where all that was joined is 0.

    Three members that are each sure of another class have a median of 0 for every class.
    """
    if joined_NK.shape[1] == 1:
        return joined_NK
    total_N1 = joined_NK.sum(axis=1, keepdims=True)
    if not (total_N1 > 0).all():
        joined_NK = np.where(total_N1 > 0, joined_NK, prediction_MNK.mean(axis=0))
        total_N1 = joined_NK.sum(axis=1, keepdims=True)
    return np.asarray(joined_NK / total_N1)


def learn(evidence: Evidence, num_members: int, seed: int) -> list[float]:
    """Return the weights of the best `num_members`."""
    best = replace(evidence, names=evidence.names[:num_members], prediction_MNK=evidence.prediction_MNK[:num_members])
    return by_least_squares(best, seed)


Levels = list[list[list[list[float]]]]  # for each member and ranked class: values, rising, and their places in [0, 1]


def quantiles(evidence: Evidence, num_members: int) -> Levels:
    """Return the quantiles of what each of the best `num_members` said of each class (of the second one of two)."""
    ranked_MNR = _ranked(evidence.prediction_MNK[:num_members])
    return [[_levels(said_NR[:, place]) for place in range(said_NR.shape[1])] for said_NR in ranked_MNR]


def _levels(said_N: np.ndarray) -> list[list[float]]:
    sorted_N = np.sort(said_N).astype(np.float64)
    value_Q = np.unique(np.quantile(sorted_N, np.linspace(0, 1, NUM_LEVELS), method="inverted_cdf"))
    below_Q, not_above_Q = (np.searchsorted(sorted_N, value_Q, side) for side in ("left", "right"))
    return [value_Q.tolist(), ((below_Q + not_above_Q) / (2 * len(sorted_N))).tolist()]


def _ranked(prediction_MNK: np.ndarray) -> np.ndarray:
    return prediction_MNK[:, :, 1:] if prediction_MNK.shape[2] == 2 else prediction_MNK


def by_rank(levels: Levels, prediction_MNK: np.ndarray, scale: Levels | None = None) -> np.ndarray:
    """Return the mean quantile of `scale` (the members' own when None) at the mean place of each row, class by class.

    Example:
        >>> levels = [[[[0.0, 1.0], [0.0, 1.0]]], [[[0.0, 100.0], [0.0, 1.0]]]]
        >>> by_rank(levels, np.array([[[0.2]], [[60.0]]])).round(6).tolist()
        [[20.2]]
    """
    ranked_MNR = _ranked(prediction_MNK)
    joined_NR = np.empty(ranked_MNR[0].shape)
    for place in range(ranked_MNR.shape[2]):
        known = [member[place] for member in levels]
        onto = [member[place] for member in scale or levels]
        said_MN = ranked_MNR[:, :, place]
        place_MN = [np.interp(said_N, level[0], level[1]) for said_N, level in zip(said_MN, known, strict=True)]
        mean_N = np.mean(place_MN, axis=0)
        joined_NR[:, place] = np.mean([np.interp(mean_N, level[1], level[0]) for level in onto], axis=0)
    if prediction_MNK.shape[2] == 2:
        return np.hstack([1 - joined_NR, joined_NR])
    return summing_to_one(joined_NR, prediction_MNK)
