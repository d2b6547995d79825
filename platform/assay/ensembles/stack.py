"""A meta-learner fitted on what the members said about rows they had not seen."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from assay.batch import Batch, from_matrix
from assay.parts import Ensemble, Evidence, Fit, Job, Learned
from assay.spec.strict import Strict
from assay.vocabulary import Task

PROBABILITY_FLOOR = 1e-4  # keeps the log-odds of an overconfident member within +-9.2


class Stack(Ensemble):
    """Fits any algorithm on the members' log-odds (classes) or predictions (numbers), side by side.

    Source: Wolpert 1992, "Stacked generalization"; Ting and Witten 1999 on using probabilities.

    Example:
        >>> stacked(np.full((3, 5, 2), 0.5)).shape, stacked(np.ones((3, 5, 1))).shape
        ((5, 3), (5, 3))
    """

    class Params(Strict):
        learner: str | None = Field(None, description="algorithm; logistic_regression or ridge by task when left out")
        params: dict[str, Any] = Field(default_factory=dict, description="settings of the learner")

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        default = "ridge" if evidence.task is Task.REGRESSION else "logistic_regression"
        fit = Fit(self.params.learner or default, self.params.params, seed)
        (fitted,) = yield [fit]
        return Learned(models={"meta": (fit, fitted)})

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        _, fitted = learned.models["meta"]
        combined_NK: np.ndarray = fitted.predict(self.inputs(prediction_MNK))
        return combined_NK

    def inputs(self, prediction_MNK: np.ndarray, y_N: np.ndarray | None = None) -> Batch:
        num_classes = prediction_MNK.shape[2]
        return from_matrix(stacked(prediction_MNK), y_N, num_classes=num_classes if num_classes > 1 else 0)


def stacked(prediction_MNK: np.ndarray) -> np.ndarray:
    """Return what a meta-learner reads: x_NF with F = M * (K - 1) log-odds, or F = M numbers."""
    num_members, num_rows, num_classes = prediction_MNK.shape
    if num_classes == 1:
        return np.ascontiguousarray(prediction_MNK[:, :, 0].T)
    safe_MNK = np.clip(prediction_MNK, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR).astype(np.float64)
    odds_MNK = np.log(safe_MNK[:, :, 1:]) - np.log(safe_MNK[:, :, :1])
    return np.asarray(odds_MNK.transpose(1, 0, 2).reshape(num_rows, num_members * (num_classes - 1)))
