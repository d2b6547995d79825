"""Members vote: hard by their most probable class, or soft by their probabilities."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from assay.parts import CLASSIFICATION, Ensemble, Evidence, Job, Learned
from assay.spec.strict import Strict


class Vote(Ensemble):
    """One member, one vote; a hard tie goes to the tied class with the highest mean probability.

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

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        yield []
        return Learned()

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        soft_NK: np.ndarray = prediction_MNK.mean(axis=0)
        if self.params.voting == "soft":
            return soft_NK
        num_classes = prediction_MNK.shape[2]
        votes_NK = np.eye(num_classes)[prediction_MNK.argmax(axis=2)].mean(axis=0)
        # Half a vote shared out by mean probability breaks ties and never outweighs a whole vote.
        tie_break = 0.5 / len(prediction_MNK)
        combined_NK: np.ndarray = (votes_NK + tie_break * soft_NK) / (1 + tie_break)
        return combined_NK

    def used(self, learned: Learned, num_members: int) -> list[int]:
        return list(range(min(self.params.members, num_members)))
