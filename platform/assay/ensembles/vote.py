"""Members vote: hard by their most probable class, or soft by their probabilities; votes may be weighted."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator

from assay.ensembles._weights import EQUAL, LEARNED, by_log_loss, by_metric, checked_weights, normalised, of_present
from assay.parts import CLASSIFICATION, Call, Ensemble, Evidence, Job, Learned
from assay.spec.strict import Strict


class Vote(Ensemble):
    """One member, one vote, unless votes are weighted; a hard tie goes to the class with the highest mean probability.

    Learned weights minimise the log loss out of fold; those of hard votes, where it says little, maximise the metric.

    Source: Kittler et al. 1998, "On combining classifiers", IEEE PAMI 20(3).

    Example:
        >>> prediction_MNK = np.array([[[0.6, 0.4]], [[0.6, 0.4]], [[0.0, 1.0]]])
        >>> Vote(Vote.Params(voting="hard")).combine(Learned(), prediction_MNK).argmax(axis=1).tolist()
        [0]
        >>> Vote().combine(Learned(), prediction_MNK).argmax(axis=1).tolist()
        [1]
    """

    tasks = CLASSIFICATION

    class Params(Strict):
        voting: Literal["hard", "soft"] = Field("soft", description="count classes, or average probabilities")
        members: int = Field(5, ge=2, le=1_000, description="how many of the best take part")
        weights: Annotated[str | list[float], PlainValidator(checked_weights)] = Field(
            EQUAL, description="equal, learned, or a list with one for each of the members, the best first"
        )

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        num_members = min(self.params.members, len(evidence.names))
        if self.params.weights == EQUAL:
            yield []
            return Learned()
        if self.params.weights == LEARNED:
            (weights,) = yield [Call(learn, {"hard": self._is_hard, "num_members": num_members, "seed": seed})]
            return Learned({"weights": weights})
        yield []
        return Learned({"weights": normalised(self.params.weights, num_members)})

    @property
    def _is_hard(self) -> bool:
        return bool(self.params.voting == "hard")

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        num_members = len(prediction_MNK)
        weights = learned.values.get("weights")
        weight_m = np.array([weight for weight in weights or [1 / num_members] * num_members if weight > 0])
        soft_NK: np.ndarray = np.tensordot(weight_m, prediction_MNK, axes=1)
        if not self._is_hard:
            return soft_NK
        votes_NK = np.tensordot(weight_m, voted(prediction_MNK), axes=1)
        # Half a vote shared out by mean probability breaks ties and never outweighs a whole vote. Sums of unequal
        # weights may lie closer than that: there it is a trifle.
        tie_break = 1e-6 if weights else 0.5 / num_members
        combined_NK: np.ndarray = (votes_NK + tie_break * soft_NK) / (1 + tie_break)
        return combined_NK

    def partial(self, learned: Learned, present_m: Sequence[int]) -> Learned:
        return of_present(learned, present_m)

    def used(self, learned: Learned, num_members: int) -> list[int]:
        weights = learned.values.get("weights", [1.0] * min(self.params.members, num_members))
        return [index for index, weight in enumerate(weights) if weight > 0]


def voted(prediction_MNK: np.ndarray) -> np.ndarray:
    """Return vote_MNK: 1 for the most probable class, the first of equals, 0 for the others."""
    vote_MNK: np.ndarray = np.eye(prediction_MNK.shape[2])[prediction_MNK.argmax(axis=2)]
    return vote_MNK


def learn(evidence: Evidence, hard: bool, num_members: int, seed: int) -> list[float]:
    """Return the weights of the best `num_members`."""
    best = replace(evidence, names=evidence.names[:num_members], prediction_MNK=evidence.prediction_MNK[:num_members])
    if not hard:
        return by_log_loss(best, seed)
    return by_metric(replace(best, prediction_MNK=voted(best.prediction_MNK)), seed)
