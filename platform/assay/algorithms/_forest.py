"""What random forests and extremely randomised trees share: their settings, their space and their sizes."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.algorithms._forest_rows import MAX_ROWS, ForestRows
from assay.algorithms._sklearn import FittedSklearn, SklearnAlgorithm
from assay.batch import Batch
from assay.parts import COST_FEATURES, COST_ROWS, Files
from assay.spec.spaces import Choice, Integer
from assay.spec.strict import Strict

MAX_LEAVES = 10_000  # of a tree: on many rows a leaf holds more of them, or a forest is gigabytes


class Forest(SklearnAlgorithm):
    """The mean of many deep trees, each grown with its own chance."""

    class Params(Strict):
        """Settings of the forest."""

        num_trees: int = Field(100, ge=1, le=5_000, description="trees; more only costs time and size")
        # Fully grown trees give sharper ranks on clean data and, on noisy data, poor probabilities and large files.
        min_samples_leaf: int = Field(2, ge=1, le=100_000, description="training rows in a leaf at least")
        max_features: Literal["auto", "sqrt"] | Annotated[float, Field(gt=0, le=1)] = Field(
            "auto", description="share of the features tried at each question; auto: sqrt for classes, 0.6 for numbers"
        )
        max_depth: int | None = Field(None, ge=1, le=1_000, description="questions from root to leaf; no limit if null")

    wants: ClassVar[str] = "codes"
    space = {
        "min_samples_leaf": Integer(1, 50, log=True),
        "max_features": Choice(("auto", "sqrt", 0.3, 0.5, 0.8, 1.0)),
        "num_trees": Choice((100, 200)),
    }

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: rows are sorted at each question, by the square root of the features or by most of them."""
        tried = math.sqrt(num_features / COST_FEATURES) if num_classes else 2.0 * num_features / COST_FEATURES
        depth = math.log(max(num_rows, 2)) / math.log(COST_ROWS)
        return cls.cost * tried * depth * num_rows / COST_ROWS + 0.001 * cls.Params().num_trees

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedForest:
        """Learn from every row of `batch`."""
        fitted = super().fit(batch, seed, threads)
        return FittedForest(fitted.estimator, fitted.num_classes)

    def load(self, files: Files) -> FittedForest:
        """Read a fitted forest; see `SklearnAlgorithm.load`."""
        fitted = super().load(files)
        return FittedForest(fitted.estimator, fitted.num_classes)

    def settings(self, batch: Batch, seed: int, threads: int) -> dict[str, Any]:
        """Return scikit-learn's names for our settings."""
        chosen = self.params.model_dump()
        chosen["n_estimators"] = chosen.pop("num_trees")
        chosen["min_samples_leaf"] = max(chosen["min_samples_leaf"], len(batch) // MAX_LEAVES)
        if chosen["max_features"] == "auto":
            chosen["max_features"] = "sqrt" if batch.num_classes else 0.6
        return {**chosen, "random_state": seed, "n_jobs": threads}


class FittedForest(FittedSklearn):
    """A fitted forest that answers a few rows quickly, with the same bits."""

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        if not 0 < len(batch) <= MAX_ROWS or not hasattr(self.estimator, "estimators_"):
            return super().predict(batch)
        mean_NC = self._rows.predict(batch.matrix())
        prediction_NK = np.zeros((len(batch), max(self.num_classes, 1)))
        prediction_NK[:, self.estimator.classes_ if self.num_classes else [0]] = mean_NC
        return prediction_NK

    @cached_property
    def _rows(self) -> ForestRows:
        return ForestRows(self.estimator)
