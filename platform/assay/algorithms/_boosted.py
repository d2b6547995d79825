"""What boosters share: how many trees they grow, how that is found, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from assay.algorithms._inner import inner_rows
from assay.batch import Batch
from assay.parts import Algorithm
from assay.spec.strict import Strict

EASY_CLASSES, FASTEST = 4, 0.3  # of `Boosted.paced`
UNJUDGED_TREES = 100  # trees when there are too few rows to find out


class Boosted(Algorithm):
    """Trees grown one after another, each on what the ones before got wrong.

    The number of trees is found on an inner slice of the rows given; `facts["num_trees"]` says it.
    """

    class Params(Strict):
        """Settings of every booster."""

        num_trees: int = Field(2_000, ge=1, le=100_000, description="trees of each class at most")
        learning_rate: float = Field(
            0.05, gt=0, le=1, description="share of each tree that is added; smaller is finer, many classes raise it"
        )
        early_stopping_rounds: int = Field(
            50, ge=0, le=10_000, description="trees without gain on the inner slice before it stops; 0 grows all"
        )
        inner_fraction: float = Field(0.1, gt=0, le=0.5, description="share of the rows in the inner slice")

    wants: ClassVar[str] = "codes"
    least_cost: ClassVar[float] = 0.15  # what trees cost however few the rows are, as a share of `cost`
    class_cost: ClassVar[float] = 0.5  # what a class of many costs, as a share of a fit of two classes

    def settled(self, facts: Sequence[Mapping[str, float]]) -> Algorithm:
        """Return it without early stopping, for as many trees as the folds found, and more for more rows.

        The last fit also learns from the inner slice. A booster that sees 1 / (1 - inner_fraction) times the rows
        bears about that many more trees before it starts to learn by heart.
        """
        found = [fact["num_trees"] for fact in facts if "num_trees" in fact]
        if not found or not self.params.early_stopping_rounds:
            return self
        num_trees = round(float(np.mean(found)) / (1 - self.params.inner_fraction))
        return type(self)(self.params.model_copy(update={"num_trees": max(1, num_trees), "early_stopping_rounds": 0}))

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: each class beyond two has its own trees, and trees cost something even on few rows."""
        each = cls.least_cost * cls.cost
        each += (1 - cls.least_cost) * super().cost_of(num_rows, num_features, num_classes)
        return each * (num_classes * cls.class_cost / _haste(num_classes) if num_classes > 2 else 1)

    def paced(self, num_classes: int) -> Any:
        """Return the settings for this many classes: more than four take larger steps and wait less for a gain.

        Each round grows a tree for each class, so time and size would grow with rounds times classes. The step grows by
        the square root of the classes: at 20 of them (2,700 rows, 3 folds) that saved 62 % of the time of a fit and
        cost 2 to 3 % of log loss; at 10 it saved 13 to 40 % and cost 1 to 5 %.
        """
        haste = _haste(num_classes)
        rate, patience = self.params.learning_rate, self.params.early_stopping_rounds
        return self.params.model_copy(
            update={
                "learning_rate": min(rate * haste, max(rate, FASTEST)),
                "early_stopping_rounds": math.ceil(patience / haste),
            }
        )

    def inner(self, batch: Batch, seed: int) -> np.ndarray:
        """Return a mask of the rows that say when to stop; empty when that is off or they would be too few."""
        if not self.params.early_stopping_rounds:
            return np.zeros(len(batch), bool)
        inner_N = inner_rows(batch.label_N, self.params.inner_fraction, seed)
        if batch.num_classes:  # the only row of a class is one to learn from
            inner_N &= np.bincount(batch.label_N)[batch.label_N] > 1
        return inner_N

    @property
    def unjudged_trees(self) -> int:
        """Trees to grow when no row says when to stop: all that were asked for, or few where they were to be found."""
        asked: int = self.params.num_trees
        return min(asked, UNJUDGED_TREES) if self.params.early_stopping_rounds else asked


def _haste(num_classes: int) -> float:
    return math.sqrt(max(num_classes, EASY_CLASSES) / EASY_CLASSES)
