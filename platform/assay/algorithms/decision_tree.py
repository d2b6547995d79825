"""One decision tree: rules that a person can read."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from assay.algorithms._sklearn import TREE, SklearnAlgorithm
from assay.batch import Batch
from assay.spec.spaces import Integer, LogUniform
from assay.spec.strict import Strict


class DecisionTree(SklearnAlgorithm):
    """One tree of yes-no questions; the weakest of the tree models and the only one that a person can read.

    Source: Breiman, Friedman, Olshen and Stone 1984, "Classification and Regression Trees".

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(40.0)[:, None], (np.arange(40) >= 20).astype(int), num_classes=2)
        >>> DecisionTree().fit(batch, seed=0).predict(batch)[[0, 39]].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    class Params(Strict):
        """Settings of the tree."""

        max_depth: int = Field(10, ge=1, le=100, description="questions from the root to a leaf at most")
        min_samples_leaf: int = Field(20, ge=1, le=100_000, description="training rows in a leaf at least")
        ccp_alpha: float = Field(0.0, ge=0, description="impurity that a branch must save to stay; 0 prunes nothing")

    wants: ClassVar[str] = "codes"
    strong = False
    cost = 0.13
    space = {
        "max_depth": Integer(2, 25),
        "min_samples_leaf": Integer(1, 200, log=True),
        "ccp_alpha": LogUniform(1e-6, 1e-2),
    }
    makes = ("DecisionTreeClassifier", "DecisionTreeRegressor")
    trusted = (
        TREE,
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
    )

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the tree for this task."""
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        kind = DecisionTreeClassifier if batch.num_classes else DecisionTreeRegressor
        return kind(**self.params.model_dump(), random_state=seed)
