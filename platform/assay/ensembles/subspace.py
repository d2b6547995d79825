"""Members fitted on random features, and on random rows too where that is asked, averaged."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from assay.ensembles._growing import Chosen, Growing, LearnerSettings
from assay.parts import Evidence, Grow, Grown, Job, Learned
from assay.seeds import child, generator


class Subspace(Growing):
    """Each member reads some columns of its algorithm's matrix, drawn without repetition; so are its rows.

    A level of a one-hot column is a column of its own. Source: Ho 1998, "The random subspace method for constructing
    decision forests"; Louppe and Geurts 2012, "Ensembles on random patches" (`rows` below 1).

    Example:
        >>> Subspace().combine(Learned(), np.array([[[1.0]], [[4.0]]])).tolist()
        [[2.5]]
    """

    class Params(LearnerSettings):
        features: float = Field(0.7, gt=0, le=1, description="share of the features that a member reads")
        rows: float = Field(1.0, gt=0, le=1, description="share of the rows that a member learns from")

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        grown: Sequence[Grown] = yield [
            self._order(learner, place, evidence, seed) for place, learner in enumerate(self.base(evidence))
        ]
        return Learned(grown=tuple(grown))

    def _order(self, learner: Chosen, place: int, evidence: Evidence, seed: int) -> Grow:
        num_features = evidence.num_features[learner.algorithm]
        return Grow(
            learner.algorithm,
            learner.params,
            child(seed, "member", place),
            row_n=share_of(len(evidence.y_N), self.params.rows, generator(seed, "rows", place)),
            feature_n=share_of(num_features, self.params.features, generator(seed, "features", place)),
            name=learner.name,
            quiet=True,
        )

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        return np.asarray(prediction_MNK.mean(axis=0))

    def partial(self, learned: Learned, present_m: Sequence[int]) -> Learned:
        return learned  # a mean of fewer


def share_of(count: int, share: float, draw: np.random.Generator) -> np.ndarray | None:
    """Return sorted positions of a share of `count` things, one at least; None for all of them."""
    wanted = max(1, round(share * count))
    return None if wanted >= count else np.sort(draw.choice(count, wanted, replace=False))
