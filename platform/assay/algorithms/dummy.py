"""Predicts the share of each class, or the mean: what a model must beat to be worth anything."""

from __future__ import annotations

from typing import Any, ClassVar

from assay.algorithms._sklearn import SklearnAlgorithm
from assay.batch import Batch


class Dummy(SklearnAlgorithm):
    """Predicts the share of each class among the training rows, or the mean label, whatever the features say.

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.zeros((4, 1)), np.array([0, 0, 0, 1]), num_classes=2)
        >>> Dummy().fit(batch, seed=0).predict(batch)[0].tolist()
        [0.75, 0.25]
    """

    kinds = frozenset({"tabular", "image"})
    wants: ClassVar[str] = "codes"
    cost = 0.01
    makes = ("DummyClassifier", "DummyRegressor")
    trusted = ("sklearn.dummy.DummyRegressor",)

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the baseline for this task."""
        from sklearn.dummy import DummyClassifier, DummyRegressor

        return DummyClassifier(strategy="prior") if batch.num_classes else DummyRegressor(strategy="mean")
