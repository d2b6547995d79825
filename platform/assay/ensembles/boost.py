"""Members fitted one after the other, each on what those before it got wrong."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from assay.ensembles._growing import Chosen, fitting, learner_faults
from assay.errors import SpecFault, raise_all
from assay.parts import Ensemble, Evidence, Grow, Grown, Job, Learned
from assay.seeds import child, generator
from assay.spec.strict import Strict
from assay.vocabulary import Task

SHALLOW_TREE = {"max_depth": 3, "min_samples_leaf": 5}
RESIDUAL_RATE = 0.1
Rounds = Generator[Sequence[Job], Sequence[Any], Learned]


class Boost(Ensemble):
    """Boosts any learner: SAMME for classes, AdaBoost.R2 for numbers, or a sum of fits to residuals for numbers.

    `by: weight` gives rows that were predicted badly more weight. Classes are then said by weighted votes, numbers by
    the weighted median. `by: residual` fits each member to what is left of the label and adds a part of it.
    Source: Freund and Schapire 1997; Zhu et al. 2009, "Multi-class AdaBoost" (SAMME); Drucker 1997, "Improving
    regressors using boosting techniques" (R2); Friedman 2001, "Greedy function approximation" (residuals).

    Example:
        >>> two_to_one = Learned({"by": "median", "weights": [1.0, 1.0, 3.0]})
        >>> Boost().combine(two_to_one, np.array([[[1.0]], [[2.0]], [[9.0]]])).tolist()
        [[9.0]]
    """

    grows = True

    class Params(Strict):
        num_members: int = Field(50, ge=1, le=1_000, description="members fitted at most, one after the other")
        by: Literal["weight", "residual"] = Field("weight", description="how members learn from those before them")
        learner: str | None = Field(None, description="algorithm of every member; a shallow decision tree if left out")
        params: dict[str, Any] = Field(default_factory=dict, description="settings of the learner")
        learning_rate: float | None = Field(
            None, gt=0, le=10, description="how much a member counts; 1 by weight and 0.1 by residual when left out"
        )
        loss: Literal["linear", "square", "exponential"] = Field(
            "linear", description="numbers by weight: how the weight of a row grows with its error"
        )
        resample: bool = Field(
            False, description="by weight: draw rows by their weight, for a learner that cannot be given weights"
        )

    def learners(self, task: Task) -> Sequence[str]:
        learner = self._learner()
        if self.params.by == "residual" and task.is_classification:
            fix = "use weight, or boost numbers"
            raise SpecFault.at("params.by", f"'residual' is for numbers, the task is {task}", fix)
        raise_all(SpecFault, learner_faults(learner, task))
        if self.params.by == "weight" and not self.params.resample and not learner.weighable:
            fix = f"write `resample: true`, or use one of: {', '.join(fitting(task, weighable=True))}"
            raise SpecFault.at("params.learner", f"'{learner.algorithm}' cannot learn from weighted rows", fix)
        return [learner.algorithm]

    def rounds(self, evidence: Evidence, seed: int) -> Rounds:
        if self.params.by == "residual":
            return self._by_residual(evidence, seed)
        if evidence.task is Task.REGRESSION:
            return self._numbers(evidence, seed)
        return self._classes(evidence, seed)

    def _classes(self, evidence: Evidence, seed: int) -> Rounds:
        """SAMME: a member weighs as much as it is better than chance."""
        num_classes = evidence.prediction_MNK.shape[2]
        weight_N = np.ones(len(evidence.y_N))
        grown: list[Grown] = []
        weights: list[float] = []
        for place in range(self.params.num_members):
            (one,) = yield [self._weighted(evidence, weight_N, place, seed)]
            wrong_N = one.prediction_NK.argmax(axis=1) != evidence.y_N
            error = float(np.average(wrong_N, weights=weight_N))
            useless = error >= 1 - 1 / num_classes
            if useless and grown:
                break
            grown.append(one.without_predictions())
            if error <= 0 or useless:  # nothing is left to learn, or the learner cannot learn it
                weights.append(1.0)
                break
            weights.append(self._rate * float(np.log((1 - error) / error) + np.log(num_classes - 1)))
            weight_N = _mean_one(weight_N * np.exp(weights[-1] * wrong_N))
        return Learned({"by": "votes", "weights": weights}, grown=tuple(grown))

    def _numbers(self, evidence: Evidence, seed: int) -> Rounds:
        """AdaBoost.R2: errors as shares of the largest."""
        weight_N = np.ones(len(evidence.y_N))
        grown: list[Grown] = []
        weights: list[float] = []
        for place in range(self.params.num_members):
            (one,) = yield [self._weighted(evidence, weight_N, place, seed)]
            loss_N = self._loss(np.abs(one.prediction_NK[:, 0] - evidence.y_N))
            error = float(np.average(loss_N, weights=weight_N))
            if error >= 0.5 and grown:
                break
            grown.append(one.without_predictions())
            if error <= 0 or error >= 0.5:
                weights.append(1.0)
                break
            odds = error / (1 - error)
            weights.append(self._rate * float(-np.log(odds)))
            weight_N = _mean_one(weight_N * odds ** ((1 - loss_N) * self._rate))
        return Learned({"by": "median", "weights": weights}, grown=tuple(grown))

    def _by_residual(self, evidence: Evidence, seed: int) -> Rounds:
        """Gradient boosting with squared loss, whose gradient is the residual."""
        start = float(evidence.y_N.mean())
        left_N = evidence.y_N - start
        grown: list[Grown] = []
        for place in range(self.params.num_members):
            (one,) = yield [replace(self._order(place, seed), target_N=left_N)]
            left_N = left_N - self._rate * one.prediction_NK[:, 0]
            grown.append(one.without_predictions())
        return Learned({"by": "sum", "start": start, "weights": [self._rate] * len(grown)}, grown=tuple(grown))

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        weight_M = np.array(learned.values["weights"])
        if learned.values["by"] == "votes":
            return votes(prediction_MNK, weight_M)
        if learned.values["by"] == "median":
            return weighted_median(prediction_MNK[:, :, 0], weight_M)[:, None]
        return np.asarray(learned.values["start"] + np.tensordot(weight_M, prediction_MNK, axes=1))

    def partial(self, learned: Learned, present_m: Sequence[int]) -> Learned:
        weights = learned.values["weights"]
        if learned.values["by"] == "sum":
            return Learned({**learned.values, "weights": taken_over(weights, present_m, self._rate)})
        return Learned({**learned.values, "weights": [weights[place] for place in present_m]})

    def _learner(self) -> Chosen:
        if self.params.learner is None:
            return Chosen("decision_tree", "decision_tree", SHALLOW_TREE | self.params.params)
        return Chosen(self.params.learner, self.params.learner, self.params.params)

    @property
    def _rate(self) -> float:
        rate: float | None = self.params.learning_rate
        return rate or (RESIDUAL_RATE if self.params.by == "residual" else 1.0)

    def _weighted(self, evidence: Evidence, weight_N: np.ndarray, place: int, seed: int) -> Grow:
        if not self.params.resample:
            return replace(self._order(place, seed), weight_N=weight_N)
        num_rows = len(weight_N)
        row_n = generator(seed, "rows", place).choice(num_rows, num_rows, p=weight_N / weight_N.sum())
        return replace(self._order(place, seed), row_n=row_n)

    def _order(self, place: int, seed: int) -> Grow:
        learner = self._learner()
        return Grow(learner.algorithm, learner.params, child(seed, "member", place), name=learner.name)

    def _loss(self, error_N: np.ndarray) -> np.ndarray:
        share_N = error_N / max(float(error_N.max()), np.finfo(float).tiny)
        if self.params.loss == "linear":
            return share_N
        return np.asarray(share_N**2 if self.params.loss == "square" else 1 - np.exp(-share_N))


def votes(prediction_MNK: np.ndarray, weight_M: np.ndarray) -> np.ndarray:
    """Return probability_NK: the softmax of the weighted votes, one for a class and -1 / (K - 1) against each other.

    As scikit-learn's AdaBoostClassifier has it: a sure member is not believed to be more than 88 % right.
    """
    from scipy.special import softmax

    num_classes = prediction_MNK.shape[2]
    vote_MNK = np.eye(num_classes)[prediction_MNK.argmax(axis=2)]
    share_NK = np.tensordot(weight_M / weight_M.sum(), vote_MNK, axes=1)
    decision_NK = (num_classes * share_NK - 1) / (num_classes - 1)
    return np.asarray(softmax(decision_NK / (num_classes - 1), axis=1))


def weighted_median(prediction_MN: np.ndarray, weight_M: np.ndarray) -> np.ndarray:
    """Return, for each row, the smallest prediction that half of the weight does not exceed.

    Example:
        >>> weighted_median(np.array([[1.0], [2.0], [9.0]]), np.array([1.0, 1.0, 1.0])).tolist()
        [2.0]
    """
    order_MN = np.argsort(prediction_MN, axis=0, kind="stable")
    below_MN = np.cumsum(weight_M[order_MN], axis=0)
    middle_N = (below_MN >= 0.5 * below_MN[-1]).argmax(axis=0)
    row_N = np.arange(prediction_MN.shape[1])
    return np.asarray(prediction_MN[order_MN[middle_N, row_N], row_N])


def taken_over(weights: Sequence[float], present_m: Sequence[int], rate: float) -> list[float]:
    """Return the weights of the members at `present_m` of a sum, each taking over those that are missing next to it.

    A member is fitted to what those before it left, so it says about (1 - rate) of what the one before says. A missing
    one is taken to say that much, by the number of places between; those before the first, what the first says.

    Example:
        >>> taken_over([0.5, 0.5, 0.5], [0, 2], 0.5)
        [0.75, 0.5]
    """
    carried = dict.fromkeys(present_m, 0.0)
    for place, weight in enumerate(weights):
        before = max((found for found in present_m if found <= place), default=min(present_m))
        carried[before] += weight * max(0.0, 1.0 - rate) ** max(0, place - before)
    return list(carried.values())


def _mean_one(weight_N: np.ndarray) -> np.ndarray:
    """Return the weights with a mean of 1: learners have settings, such as penalties, that look at their sum."""
    return np.asarray(weight_N / weight_N.mean())
