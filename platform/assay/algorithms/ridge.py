"""Linear regression with an L2 penalty, solved in closed form."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from assay.algorithms._sklearn import SklearnAlgorithm
from assay.batch import Batch
from assay.spec.spaces import LogUniform
from assay.spec.strict import Strict
from assay.vocabulary import Task


class Ridge(SklearnAlgorithm):
    """Linear regression with an L2 penalty, solved in closed form.

    Source: Hoerl and Kennard 1970, "Ridge regression", Technometrics 12(1).

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(20.0)[:, None], 3 * np.arange(20.0))
        >>> Ridge(Ridge.Params(alpha=1e-6)).fit(batch, seed=0).predict(batch)[1].round(3).tolist()
        [3.0]
    """

    class Params(Strict):
        """Settings of the regression."""

        alpha: float = Field(1.0, gt=0, le=1e12, description="penalty strength, no unit; larger is smoother")

    tasks = frozenset({Task.REGRESSION})
    cost = 0.01
    space = {"alpha": LogUniform(1e-3, 1e4)}
    portfolio = ({}, {"alpha": 30.0})
    forecasts = ({"alpha": 1000.0}, {"alpha": 300.0})
    makes = ("Ridge",)
    trusted = ("sklearn.linear_model._ridge.Ridge",)

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the regression."""
        from sklearn.linear_model import Ridge as Estimator

        return Estimator(alpha=self.params.alpha, random_state=seed)
