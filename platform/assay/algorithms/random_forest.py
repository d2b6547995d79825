"""Many trees, each grown on its own bootstrap sample, averaged."""

from __future__ import annotations

from typing import Any

from assay.algorithms._forest import Forest
from assay.algorithms._sklearn import TREE
from assay.batch import Batch


class RandomForest(Forest):
    """Many deep trees, each grown on its own bootstrap sample with random features at each question, averaged.

    Source: Breiman 2001, "Random Forests", Machine Learning 45(1).

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(40.0)[:, None], np.arange(40.0))
        >>> RandomForest(RandomForest.Params(num_trees=10)).fit(batch, seed=0).predict(batch).shape
        (40, 1)
    """

    cost = 2.8
    portfolio = ({}, {"max_features": 0.5, "min_samples_leaf": 5}, {"max_features": 0.3, "min_samples_leaf": 1})
    makes = ("RandomForestClassifier", "RandomForestRegressor")
    trusted = (
        TREE,
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
    )

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the forest for this task."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestClassifier if batch.num_classes else RandomForestRegressor
        return kind(**self.settings(batch, seed, threads))
