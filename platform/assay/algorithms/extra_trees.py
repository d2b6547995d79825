"""Many trees with random thresholds, grown on all rows, averaged."""

from __future__ import annotations

from typing import Any

from assay.algorithms._forest import Forest
from assay.algorithms._sklearn import TREE
from assay.batch import Batch


class ExtraTrees(Forest):
    """Many deep trees that split at random thresholds, grown on all rows, averaged: smoother than a random forest.

    Source: Geurts, Ernst and Wehenkel 2006, "Extremely randomized trees", Machine Learning 63(1).

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(40.0)[:, None], np.arange(40.0))
        >>> ExtraTrees(ExtraTrees.Params(num_trees=10)).fit(batch, seed=0).predict(batch).shape
        (40, 1)
    """

    kinds = frozenset({"tabular", "image", "series"})
    cost = 0.9
    portfolio = ({}, {"max_features": 0.5, "min_samples_leaf": 1}, {"min_samples_leaf": 5})
    forecasts = ({"max_features": "sqrt", "min_samples_leaf": 1}, {"max_features": "sqrt", "min_samples_leaf": 20})
    makes = ("ExtraTreesClassifier", "ExtraTreesRegressor")
    trusted = (
        TREE,
        "sklearn.ensemble._forest.ExtraTreesClassifier",
        "sklearn.ensemble._forest.ExtraTreesRegressor",
        "sklearn.tree._classes.ExtraTreeClassifier",
        "sklearn.tree._classes.ExtraTreeRegressor",
    )

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the trees for this task."""
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        kind = ExtraTreesClassifier if batch.num_classes else ExtraTreesRegressor
        return kind(**self.settings(batch, seed, threads))
