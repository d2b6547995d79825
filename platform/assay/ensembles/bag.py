"""Members fitted on random rows, bootstrap samples or all but one part, and averaged."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from assay.ensembles._growing import Chosen, Growing, LearnerSettings
from assay.parts import Evidence, Grow, Grown, Job, Learned
from assay.seeds import child, generator


class Bag(Growing):
    """Similar learners on random rows, or different learners (`members`) on all rows; their mean is steadier than each.

    A learner that takes weights gets each row of a bootstrap sample once, weighted by how often it was drawn: the same
    sample, but no row can stand on both sides of an inner slice that decides when to stop.
    Source: Breiman 1996, "Bagging predictors"; Parmanto et al. 1996 (cross-validated committees, `by: folds`).

    Example:
        >>> Bag().combine(Learned(), np.array([[[0.2, 0.8]], [[0.6, 0.4]]])).round(3).tolist()
        [[0.4, 0.6]]
    """

    class Params(LearnerSettings):
        by: Literal["bootstrap", "folds", "all"] = Field(
            "bootstrap", description="rows of a member: drawn with repetition; all but one of num_members parts; all"
        )

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        part_N = parts_of(evidence, self.params.num_members, seed) if self.params.by == "folds" else None
        grown: Sequence[Grown] = yield [
            self._order(learner, place, evidence, part_N, seed) for place, learner in enumerate(self.base(evidence))
        ]
        return Learned(grown=tuple(grown))

    def _order(self, learner: Chosen, place: int, evidence: Evidence, part_N: np.ndarray | None, seed: int) -> Grow:
        row_n = weight_N = None
        if part_N is not None:
            row_n = np.flatnonzero(part_N != place)
        elif self.params.by == "bootstrap":
            num_rows = len(evidence.y_N)
            row_n = generator(seed, "rows", place).integers(0, num_rows, num_rows)
            if learner.weighable:
                weight_N = np.bincount(row_n, minlength=num_rows).astype(np.float64)
                row_n = np.flatnonzero(weight_N)
        return Grow(
            learner.algorithm,
            learner.params,
            child(seed, "member", place),
            row_n=row_n,
            weight_N=weight_N,
            name=learner.name,
            quiet=True,
        )

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        return np.asarray(prediction_MNK.mean(axis=0))

    def partial(self, learned: Learned, present_m: Sequence[int]) -> Learned:
        return learned  # a mean of fewer


def parts_of(evidence: Evidence, num_parts: int, seed: int) -> np.ndarray:
    """Return the part, 0 to num_parts - 1, of each row; each has its share of every class."""
    random_N = generator(seed, "parts").random(len(evidence.y_N))
    guide_N = evidence.y_N if evidence.task.is_classification else np.zeros(len(random_N))
    part_N = np.empty(len(random_N), np.int64)
    part_N[np.lexsort((random_N, guide_N))] = np.arange(len(random_N)) % num_parts
    return part_N
