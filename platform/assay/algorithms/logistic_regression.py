"""Linear classification with an L2 penalty: fast, calibrated, hard to beat on few rows."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from assay.algorithms._sklearn import SklearnAlgorithm
from assay.batch import Batch
from assay.parts import CLASSIFICATION
from assay.spec.spaces import LogUniform
from assay.spec.strict import Strict


class LogisticRegression(SklearnAlgorithm):
    """Linear classification with an L2 penalty, multinomial for more than two classes.

    Source: Cox 1958, "The regression analysis of binary sequences", JRSS B 20(2).

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.array([[-1.0], [1.0]]), np.array([0, 1]), num_classes=2)
        >>> LogisticRegression().fit(batch, seed=0).predict(batch).argmax(axis=1).tolist()
        [0, 1]
    """

    class Params(Strict):
        """Settings of the regression."""

        C: float = Field(1.0, gt=0, le=1e9, description="inverse strength of the penalty; smaller is smoother")
        max_iter: int = Field(200, ge=1, le=100_000, description="rounds of the solver at most")

    kinds = frozenset({"tabular", "image", "series"})
    tasks = CLASSIFICATION
    cost = 0.02
    space = {"C": LogUniform(1e-3, 1e2)}
    portfolio = ({}, {"C": 0.1})
    makes = ("LogisticRegression",)
    trusted = ("sklearn.linear_model._logistic.LogisticRegression",)

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: each class beyond two has its own weights."""
        return super().cost_of(num_rows, num_features, num_classes) * max(1.0, num_classes / 2)

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the regression."""
        from sklearn.linear_model import LogisticRegression as Estimator

        return Estimator(C=self.params.C, max_iter=self.params.max_iter, solver="lbfgs")
