"""Predicts what the most similar training rows were."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.algorithms._sklearn import FittedSklearn, SklearnAlgorithm
from assay.batch import Batch
from assay.parts import COST_FEATURES, COST_ROWS, Files
from assay.spec.spaces import Choice, Integer
from assay.spec.strict import Strict


class KNearestNeighbours(SklearnAlgorithm):
    """Predicts the mean label of the most similar training rows; the model is the training rows themselves.

    It cannot learn from weighted rows. To the neighbours of a row one is added that says what all rows say together,
    so no class that training rows have is impossible.
    Source: Cover and Hart 1967, IEEE Transactions on Information Theory 13(1).

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(4.0)[:, None], np.arange(4.0))
        >>> one = KNearestNeighbours.Params(num_neighbours=1)
        >>> KNearestNeighbours(one).fit(batch, seed=0).predict(batch).ravel().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    class Params(Strict):
        """Settings of the search."""

        num_neighbours: int = Field(20, ge=1, le=10_000, description="training rows asked; capped by their number")
        weights: Literal["uniform", "distance"] = Field("distance", description="whether nearer rows count more")
        metric: Literal["euclidean", "manhattan"] = Field("euclidean", description="distance between two rows")

    kinds = frozenset({"tabular", "image", "series"})
    row_cap: ClassVar[int] = 20_000
    strong = False
    cost = 0.09
    space = {
        "num_neighbours": Integer(3, 100, log=True),
        "weights": Choice(("uniform", "distance")),
    }
    portfolio = ({}, {"num_neighbours": 60}, {"num_neighbours": 7})
    forecasts = ({"num_neighbours": 200, "weights": "uniform"},)
    makes = ("KNeighborsClassifier", "KNeighborsRegressor")
    trusted = (
        "sklearn.neighbors._classification.KNeighborsClassifier",
        "sklearn.neighbors._regression.KNeighborsRegressor",
    )
    weighable = False

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: fitting is free, and the held-out rows are then compared with each of the rows."""
        compared = num_rows / COST_ROWS * min(num_rows, cls.row_cap) / COST_ROWS
        return cls.cost * compared * (0.8 + 0.2 * num_features / COST_FEATURES)

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedNeighbours:
        """Keep every row of `batch`."""
        fitted = super().fit(batch, seed, threads)
        return FittedNeighbours(fitted.estimator, fitted.num_classes)

    def load(self, files: Files) -> FittedNeighbours:
        """Read the rows; see `SklearnAlgorithm.load`."""
        fitted = super().load(files)
        return FittedNeighbours(fitted.estimator, fitted.num_classes)

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the search for this task."""
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        kind = KNeighborsClassifier if batch.num_classes else KNeighborsRegressor
        # Brute force: search trees are slower than a matrix product from about 20 features on, and their compiled
        # nodes could not be checked when they come from a file.
        return kind(
            n_neighbors=min(self.params.num_neighbours, len(batch)),
            weights=self.params.weights,
            metric=self.params.metric,
            algorithm="brute",
        )


class FittedNeighbours(FittedSklearn):
    """Training rows, and one neighbour of every row that stands for all of them."""

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        prediction_NK = super().predict(batch)
        if not self.num_classes or not hasattr(self.estimator, "n_neighbors"):
            return prediction_NK
        share_K = np.zeros(self.num_classes)
        share_K[self.estimator.classes_] = np.bincount(self.estimator._y, minlength=len(self.estimator.classes_))
        asked = self.estimator.n_neighbors
        smooth_NK: np.ndarray = (asked * prediction_NK + share_K / share_K.sum()) / (asked + 1)
        return smooth_NK
