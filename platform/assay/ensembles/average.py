"""Members averaged: numbers or probabilities, by mean or median."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from assay.parts import Ensemble, Evidence, Job, Learned
from assay.spec.strict import Strict


class Average(Ensemble):
    """The mean or the median of the members' predictions; probabilities are made to sum to 1 again.

    Example:
        >>> Average(Average.Params(by="median")).combine(Learned(), np.array([[[1.0]], [[2.0]], [[9.0]]])).tolist()
        [[2.0]]
    """

    class Params(Strict):
        by: Literal["mean", "median"] = Field("mean", description="the median shrugs off one member that is far off")
        members: int = Field(5, ge=2, le=1_000, description="how many of the best take part")

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        yield []
        return Learned()

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        joined_NK = prediction_MNK.mean(axis=0) if self.params.by == "mean" else np.median(prediction_MNK, axis=0)
        if joined_NK.shape[1] == 1:
            return np.asarray(joined_NK)
        return np.asarray(joined_NK / joined_NK.sum(axis=1, keepdims=True))

    def used(self, learned: Learned, num_members: int) -> list[int]:
        return list(range(min(self.params.members, num_members)))
