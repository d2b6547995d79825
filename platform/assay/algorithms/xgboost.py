"""XGBoost: boosted trees grown level by level on binned features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
from pydantic import Field

from assay.algorithms._arrays import Shape
from assay.algorithms._boosted import Boosted
from assay.algorithms._xgboost_trees import SplitTrees, objective
from assay.batch import Batch
from assay.errors import ArtifactFault
from assay.parts import Files
from assay.spec.spaces import Integer, LogUniform, Uniform


class XGBoost(Boosted):
    """Boosted trees grown level by level with second derivatives, shrunk leaves and rows and features drawn by chance.

    Source: Chen and Guestrin 2016, "XGBoost: A Scalable Tree Boosting System", KDD.

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(200.0)[:, None], np.repeat([0, 1], 100), num_classes=2)
        >>> fitted = XGBoost(XGBoost.Params(num_trees=20)).fit(batch, seed=0)
        >>> fitted.predict(batch)[[0, 199]].argmax(axis=1).tolist()
        [0, 1]
    """

    class Params(Boosted.Params):
        """Settings of the booster; names are XGBoost's where it has one."""

        max_depth: int = Field(6, ge=1, le=30, description="questions from root to leaf at most")
        min_child_weight: float = Field(1.0, ge=0, le=1e6, description="sum of second derivatives in a leaf at least")
        subsample: float = Field(0.8, gt=0, le=1, description="share of the rows that each tree learns from")
        feature_fraction: float = Field(0.8, gt=0, le=1, description="share of the features tried at each depth")
        reg_lambda: float = Field(1.0, ge=0, le=1e6, description="penalty on the square of leaf values")
        reg_alpha: float = Field(0.0, ge=0, le=1e6, description="penalty on the size of leaf values")
        max_bin: int = Field(256, ge=2, le=4_096, description="steps into which a feature is cut")

    optional = "xgboost"
    cost = 0.95
    class_cost = 0.7
    libraries = ("xgboost",)
    space = {
        "learning_rate": LogUniform(0.01, 0.3),
        "max_depth": Integer(3, 10),
        "min_child_weight": LogUniform(0.1, 30.0),
        "subsample": Uniform(0.5, 1.0),
        "feature_fraction": Uniform(0.3, 1.0),
        "reg_lambda": LogUniform(0.01, 30.0),
        "reg_alpha": LogUniform(1e-4, 10.0),
    }
    hurried = {"learning_rate": 0.1}  # half the trees
    portfolio = (
        {},
        {"learning_rate": 0.03, "max_depth": 8, "feature_fraction": 0.6, "min_child_weight": 2.0},
        {"max_depth": 4, "feature_fraction": 0.5, "min_child_weight": 0.3},
        {"min_child_weight": 5.0, "reg_lambda": 5.0, "subsample": 0.7},
    )

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedXGBoost:
        """Learn from `batch`; an inner slice of its rows decides when to stop, unless that is off."""
        from xgboost import QuantileDMatrix, train

        x_NF, y_N, inner_N = batch.matrix(), batch.label_N, self.inner(batch, seed)
        # Labels are float32 inside: numbers far from zero would lose their digits.
        offset = 0.0 if batch.num_classes else float(np.average(y_N, weights=batch.weight_N))

        def matrix(mask_N: np.ndarray, reference: Any) -> Any:
            weight_N = None if batch.weight_N is None else batch.weight_N[mask_N]
            rows = {"label": y_N[mask_N] - offset, "weight": weight_N, "max_bin": self.params.max_bin}
            return QuantileDMatrix(x_NF[mask_N], **rows, ref=reference, nthread=threads)

        learning, chosen = matrix(~inner_N, None), self.paced(batch.num_classes)
        settings = self._settings(chosen, batch.num_classes, seed, threads)
        if inner_N.any():
            judged = {"evals": [(matrix(inner_N, learning), "inner")], "verbose_eval": False}
            stop = chosen.early_stopping_rounds
            booster = train(settings, learning, self.params.num_trees, **judged, early_stopping_rounds=stop)
            booster = booster[: booster.best_iteration + 1]
        else:
            booster = train(settings, learning, self.unjudged_trees)
        shape = Shape(num_features=x_NF.shape[1], num_classes=batch.num_classes)
        return FittedXGBoost(SplitTrees.of(booster, shape, offset))

    def _settings(self, chosen: Params, num_classes: int, seed: int, threads: int) -> dict[str, Any]:
        theirs = chosen.model_dump(exclude={"num_trees", "early_stopping_rounds", "inner_fraction", "feature_fraction"})
        return {
            **theirs,
            "colsample_bylevel": chosen.feature_fraction,
            "objective": objective(num_classes),
            **({"num_class": num_classes} if num_classes > 2 else {}),
            "tree_method": "hist",
            "seed": seed,
            "nthread": threads,
            "verbosity": 0,
        }

    def load(self, files: Files) -> FittedXGBoost:
        """Read the trees, checked before XGBoost sees them.

        Raises:
            ArtifactFault: the files are missing or broken, or their arrays do not fit together, or XGBoost is missing.
        """
        if find_spec("xgboost") is None:
            raise ArtifactFault.at("", "needs the package xgboost to predict", "pip install 'assay[boosters]'")
        return FittedXGBoost(SplitTrees.from_files(files))


@dataclass
class FittedXGBoost:
    """The trees of a booster."""

    trees: SplitTrees

    @property
    def facts(self) -> Mapping[str, float]:
        """The number of trees of each class."""
        return {"num_trees": float(self.trees.num_rounds)}

    @cached_property
    def _booster(self) -> Any:
        return self.trees.booster()

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        if not len(batch):
            return np.zeros((0, max(self.trees.shape.num_classes, 1)))
        prediction = self._booster.inplace_predict(batch.matrix()).astype(np.float64)
        if self.trees.shape.num_classes == 2:
            return np.column_stack([1 - prediction, prediction])
        prediction_NK: np.ndarray = prediction.reshape(len(batch), -1) + self.trees.offset_1
        return prediction_NK

    def files(self) -> Files:
        """Return the trees as plain arrays."""
        return self.trees.files()
