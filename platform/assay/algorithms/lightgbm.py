"""Gradient-boosted trees: the strongest single model on most tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import Field

from assay.algorithms._boosted import Boosted
from assay.algorithms._lightgbm_text import checked, trimmed
from assay.batch import Batch
from assay.errors import ArtifactFault
from assay.parts import Files
from assay.spec.spaces import Choice, Integer, LogUniform, Uniform
from assay.vocabulary import ColumnKind

MODEL = "model.txt"


class LightGBM(Boosted):
    """Trees grown one after another, each on what the ones before got wrong, leaf by leaf on binned features.

    The number of trees is found on an inner slice of the rows given; `facts["num_trees"]` says it.
    Source: Ke et al. 2017, "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS.

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(200.0)[:, None], np.repeat([0, 1], 100), num_classes=2)
        >>> fitted = LightGBM(LightGBM.Params(num_trees=20)).fit(batch, seed=0)
        >>> fitted.predict(batch)[[0, 199]].argmax(axis=1).tolist()
        [0, 1]
    """

    class Params(Boosted.Params):
        """Settings of the booster; names are LightGBM's where it has one."""

        num_leaves: int = Field(31, ge=2, le=4_096, description="leaves of a tree at most")
        min_child_samples: int = Field(10, ge=1, le=100_000, description="training rows in a leaf at least")
        feature_fraction: float = Field(0.6, gt=0, le=1, description="share of the features that each tree may use")
        bagging_fraction: float = Field(0.8, gt=0, le=1, description="share of the rows that each tree learns from")
        lambda_l1: float = Field(0.0, ge=0, le=1e6, description="penalty on the size of leaf values")
        lambda_l2: float = Field(1.0, ge=0, le=1e6, description="penalty on the square of leaf values")
        max_bin: int = Field(255, ge=3, le=4_095, description="steps into which a feature is cut")
        extra_trees: bool = Field(False, description="whether thresholds are drawn by chance; faster and smoother")
        loss: Literal["squared", "absolute"] = Field(
            "squared", description="regression: error whose mean is made small; absolute minds outliers less"
        )
        # Levels are coded by frequency, which numbers can split. Sets up to 16 levels, 5 folds of training rows: no
        # difference on adult and diamonds, 0.026 +- 0.012 of AUC worse on the 700 rows of german_credit.
        native_levels: int = Field(
            0, ge=0, le=10_000, description="categories up to this many levels are split as sets, others as numbers"
        )

    kinds = frozenset({"tabular", "image"})
    space = {
        "learning_rate": LogUniform(0.01, 0.2),
        "num_leaves": Integer(4, 256, log=True),
        "min_child_samples": Integer(2, 100, log=True),
        "feature_fraction": Uniform(0.3, 1.0),
        "bagging_fraction": Uniform(0.5, 1.0),
        "lambda_l1": LogUniform(1e-4, 10.0),
        "lambda_l2": LogUniform(1e-3, 30.0),
        "extra_trees": Choice((False, True)),
        "native_levels": Choice((0, 16, 100)),
    }
    hurried = {"learning_rate": 0.1}  # half the trees
    portfolio = (
        {},
        {
            "extra_trees": True,
            "num_leaves": 64,
            "min_child_samples": 2,
            "feature_fraction": 1.0,
            "bagging_fraction": 1.0,
        },
        {"learning_rate": 0.03, "num_leaves": 128, "min_child_samples": 5},
        {"num_leaves": 8, "feature_fraction": 0.4},
        {"min_child_samples": 20, "feature_fraction": 0.8, "bagging_fraction": 1.0},
        {"learning_rate": 0.03, "num_leaves": 6, "feature_fraction": 0.4, "min_child_samples": 20, "lambda_l2": 10.0},
    )
    forecasts = ({"extra_trees": True, "num_trees": 300}, {"num_leaves": 4})
    cost = 0.9
    libraries = ("lightgbm",)

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedLightGBM:
        """Learn from `batch`; an inner slice of its rows decides when to stop, unless that is off."""
        import lightgbm

        x_NF = batch.matrix()
        inner_N = self.inner(batch, seed)
        learning = self._dataset(batch, x_NF, ~inner_N, None)
        chosen = self.paced(batch.num_classes)
        settings = self._settings(chosen, batch.num_classes, seed, threads)
        if not inner_N.any():
            booster = lightgbm.train(settings, learning, self.unjudged_trees)
            return FittedLightGBM(booster, batch.num_classes, {"num_trees": float(booster.current_iteration())})
        judging = self._dataset(batch, x_NF, inner_N, learning)
        stop = lightgbm.early_stopping(chosen.early_stopping_rounds, verbose=False)
        booster = lightgbm.train(settings, learning, self.params.num_trees, [judging], callbacks=[stop])
        return FittedLightGBM(booster, batch.num_classes, {"num_trees": float(booster.best_iteration)})

    def load(self, files: Files) -> FittedLightGBM:
        """Read a model text, checked before LightGBM sees it.

        Raises:
            ArtifactFault: the text is missing, or is not what LightGBM writes.
        """
        if MODEL not in files:
            raise ArtifactFault.at(MODEL, "is missing", "take the model from where it was made")
        model = checked(files[MODEL])
        import lightgbm

        try:
            booster = lightgbm.Booster(model_str=model.text)
        except lightgbm.basic.LightGBMError as error:
            raise ArtifactFault.at(MODEL, f"is refused by LightGBM ({error})") from None
        return FittedLightGBM(booster, model.num_classes, {"num_trees": float(model.num_trees)})

    def _dataset(self, batch: Batch, x_NF: np.ndarray, mask_N: np.ndarray, reference: Any) -> Any:
        import lightgbm

        # All rows of a large matrix are not copied to choose them.
        rows: Any = slice(None) if mask_N.all() else mask_N
        return lightgbm.Dataset(
            x_NF[rows],
            batch.label_N[rows],
            weight=None if batch.weight_N is None else batch.weight_N[rows],
            categorical_feature=self._native(batch),
            reference=reference,
            params={"verbosity": -1, "max_bin": self.params.max_bin, "num_threads": 1},
        )

    def _native(self, batch: Batch) -> list[int]:
        return [
            index
            for index, feature in enumerate(batch.features)
            if feature.kind is ColumnKind.CATEGORY and 2 < feature.num_levels <= self.params.native_levels
        ]

    def _settings(self, chosen: Params, num_classes: int, seed: int, threads: int) -> dict[str, Any]:
        theirs = chosen.model_dump(
            exclude={"num_trees", "native_levels", "early_stopping_rounds", "inner_fraction", "loss"}
        )
        numbers = "regression_l1" if self.params.loss == "absolute" else "regression"
        objective = {0: numbers, 2: "binary"}.get(num_classes, "multiclass")
        return {
            **theirs,
            "objective": objective,
            **({"num_class": num_classes} if objective == "multiclass" else {}),
            "bagging_freq": int(self.params.bagging_fraction < 1),
            "seed": seed,
            # The same trees with any number of threads.
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbosity": -1,
        }


@dataclass
class FittedLightGBM:
    """A booster, up to its best tree."""

    booster: Any
    num_classes: int  # 0 for regression
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        x_NF = batch.matrix()
        if not len(batch):
            return np.zeros((0, max(self.num_classes, 1)))
        # One thread: OpenMP's idle threads spin, and beside other busy processes that costs more than it gains.
        prediction: np.ndarray = self.booster.predict(x_NF, num_iteration=self._num_trees, num_threads=1)
        if self.num_classes == 2:
            return np.column_stack([1 - prediction, prediction])
        return prediction.reshape(len(batch), -1)

    def files(self) -> Files:
        """Return the trees as LightGBM's text."""
        return {MODEL: trimmed(self.booster.model_to_string(num_iteration=self._num_trees))}

    @property
    def _num_trees(self) -> int:
        return int(self.facts["num_trees"])
