"""Support vector machine with a radial kernel, for up to some thousand rows."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.algorithms._sklearn import SklearnAlgorithm
from assay.batch import Batch
from assay.parts import COST_FEATURES, COST_ROWS
from assay.spec.spaces import Choice, LogUniform
from assay.spec.strict import Strict

CALIBRATION_FOLDS = 3
SPARE_ROWS, SLICE_FRACTION = 3_000, 0.1  # above it a slice of the rows is held out once


class SupportVectorMachine(SklearnAlgorithm):
    """A wide-margin separator in the space of a radial kernel; regression for numbers, on a standardised label.

    Probabilities are Platt's: a sigmoid per class, fitted on decisions about held-out rows, then scaled to sum to 1.
    A class with fewer than three rows cannot be held out; the softmax of the decisions stands in.
    Source: Cortes and Vapnik 1995, Machine Learning 20(3); Platt 1999, "Probabilistic outputs for support vector
    machines".

    Example:
        >>> import numpy as np
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.linspace(-1, 1, 30)[:, None], np.repeat([0, 1], 15), num_classes=2)
        >>> SupportVectorMachine().fit(batch, seed=0).predict(batch)[[0, 29]].argmax(axis=1).tolist()
        [0, 1]
    """

    class Params(Strict):
        """Settings of the machine."""

        C: float = Field(3.0, gt=0, le=1e6, description="weight of margin violations; smaller is smoother")
        gamma: Literal["scale", "auto"] | Annotated[float, Field(gt=0)] = Field(
            "scale", description="inverse squared width of the kernel; scale takes it from the variance"
        )
        epsilon: float = Field(0.1, ge=0, le=10, description="regression: error that is free, in standard deviations")

    kinds = frozenset({"tabular", "image", "series"})
    row_cap: ClassVar[int] = 10_000  # the kernel has rows x rows entries
    strong = False
    cost = 2.0
    space = {"C": LogUniform(1e-1, 1e2), "gamma": Choice(("scale", "auto")), "epsilon": LogUniform(1e-2, 0.5)}
    portfolio = ({}, {"C": 0.5}, {"C": 20.0})
    forecasts = ({"C": 0.1}, {"C": 0.03, "epsilon": 0.3})
    makes = ("CalibratedClassifierCV", "SVC", "TransformedTargetRegressor")
    trusted = (
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.SVR",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.compose._target.TransformedTargetRegressor",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.model_selection._split.StratifiedShuffleSplit",
    )

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: the kernel holds every pair of the rows up to the cap, numbers need more of them."""
        rows = min(num_rows, cls.row_cap) / COST_ROWS
        many = 1 + 0.1 * min(num_classes, 10) if num_classes > 2 else 1 if num_classes else 3
        return cls.cost * many * rows**2 * (0.5 + 0.5 * num_features / COST_FEATURES)

    def estimator(self, batch: Batch, seed: int, threads: int) -> Any:
        """Return the machine for this task."""
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC, SVR

        settings = {"C": self.params.C, "gamma": self.params.gamma, "cache_size": 200, "max_iter": 1_000_000}
        if batch.num_classes:
            return self._calibrated(SVC(**settings), batch.label_N, seed)
        return TransformedTargetRegressor(SVR(**settings, epsilon=self.params.epsilon), transformer=StandardScaler())

    @staticmethod
    def _calibrated(machine: Any, y_N: np.ndarray, seed: int) -> Any:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

        rows_C = np.unique(y_N, return_counts=True)[1]
        if rows_C.min() < CALIBRATION_FOLDS:
            return machine
        if len(y_N) > SPARE_ROWS:
            # Folds would cost three fits more; one held-out slice is enough for two numbers per class.
            slice_1 = StratifiedShuffleSplit(1, test_size=SLICE_FRACTION, random_state=seed)
            return CalibratedClassifierCV(machine, method="sigmoid", cv=slice_1, ensemble=True)
        folds = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=seed)
        return CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)
