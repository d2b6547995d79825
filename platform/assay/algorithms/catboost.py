"""CatBoost: boosted oblivious trees that read categories by the labels of earlier rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from assay.algorithms._arrays import Shape
from assay.algorithms._boosted import Boosted
from assay.algorithms._catboost_trees import pool_of, spread, trees_of
from assay.algorithms._oblivious import ObliviousTrees
from assay.batch import Batch
from assay.parts import Files
from assay.spec.spaces import Choice, Integer, LogUniform, Uniform
from assay.vocabulary import ColumnKind

FEWEST_SAMPLED = 10  # rows: CatBoost refuses to sample a handful


class CatBoost(Boosted):
    """Boosted trees whose nodes of one depth all ask the same question; categories become statistics of the label.

    The statistic of a level is taken from rows before each row in a random order, so a row never sees its own label.
    Only statistics of one category are asked for: they make each question a set of levels, which is kept as plain
    numbers and needs no CatBoost to predict.
    Source: Prokhorenkova et al. 2018, "CatBoost: unbiased boosting with categorical features", NeurIPS.

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.arange(200.0)[:, None], np.repeat([0, 1], 100), num_classes=2)
        >>> fitted = CatBoost(CatBoost.Params(num_trees=20)).fit(batch, seed=0)
        >>> fitted.predict(batch)[[0, 199]].argmax(axis=1).tolist()
        [0, 1]
    """

    class Params(Boosted.Params):
        """Settings of the booster."""

        num_trees: int = Field(1_000, ge=1, le=100_000, description="trees at most")
        learning_rate: float = Field(
            0.1, gt=0, le=1, description="share of each tree that is added; smaller is finer, many classes raise it"
        )
        depth: int = Field(6, ge=1, le=10, description="questions of a tree")
        l2_leaf_reg: float = Field(3.0, ge=0, le=1e6, description="penalty on the square of leaf values")
        random_strength: float = Field(0.3, ge=0, le=100, description="chance added to the scores of questions")
        subsample: float = Field(0.8, gt=0, le=1, description="share of the rows that each tree learns from")
        feature_fraction: float = Field(1.0, gt=0, le=1, description="share of the features tried at each depth")
        border_count: int = Field(128, ge=1, le=255, description="borders at which a number may be cut")
        one_hot_levels: int = Field(
            10, ge=2, le=255, description="categories up to this many levels are asked level by level, others as sets"
        )
        early_stopping_rounds: int = Field(
            30, ge=0, le=10_000, description="trees without gain on the inner slice before it stops; 0 grows all"
        )

    optional = "catboost"
    cost = 0.75
    class_cost = 0.9
    libraries = ("catboost",)
    space = {
        "learning_rate": LogUniform(0.03, 0.3),
        "depth": Integer(3, 8),
        "l2_leaf_reg": LogUniform(0.3, 30.0),
        "random_strength": LogUniform(0.03, 10.0),
        "subsample": Uniform(0.5, 1.0),
        "feature_fraction": Uniform(0.3, 1.0),
        "border_count": Choice((32, 64, 128, 254)),
        "one_hot_levels": Choice((2, 10, 50)),
    }
    hurried = {"learning_rate": 0.2}  # half the trees
    portfolio = (
        {},
        {"depth": 8},
        {"learning_rate": 0.05, "feature_fraction": 0.5, "subsample": 0.7},
        {"depth": 4},
    )

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedCatBoost:
        """Learn from `batch`; an inner slice of its rows decides when to stop, unless that is off."""
        x_NF, y_N, inner_N = batch.matrix(), batch.label_N, self.inner(batch, seed)
        shape = Shape(num_features=x_NF.shape[1], num_classes=batch.num_classes)
        # Labels are float32 inside: numbers far from zero would lose their digits.
        offset = 0.0 if batch.num_classes else float(np.average(y_N, weights=batch.weight_N))
        if _nothing_to_learn(x_NF[~inner_N], y_N[~inner_N]):
            return FittedCatBoost(ObliviousTrees.of(shape, [], _constant(y_N, batch.num_classes)))
        category_F = np.array([feature.kind is ColumnKind.CATEGORY for feature in batch.features], bool)
        # CatBoost gives classes without rows no output, so it is told of the others only.
        class_C = np.unique(y_N) if batch.num_classes > 2 else np.zeros(1, np.int64)
        target_N = np.searchsorted(class_C, y_N) if batch.num_classes > 2 else y_N - offset

        def pool(mask_N: np.ndarray) -> Any:
            weight_N = None if batch.weight_N is None else batch.weight_N[mask_N]
            return pool_of(x_NF[mask_N], category_F, target_N[mask_N], weight_N)

        booster = self._booster(batch, inner_N, seed, threads)
        booster.fit(pool(~inner_N), eval_set=pool(inner_N) if inner_N.any() else None)
        learned = trees_of(booster, category_F, [feature.num_levels for feature in batch.features])
        return FittedCatBoost(spread(learned, shape, class_C, offset))

    def _booster(self, batch: Batch, inner_N: np.ndarray, seed: int, threads: int) -> Any:
        from catboost import CatBoost as Booster

        num_classes, judged = batch.num_classes, bool(inner_N.any())
        chosen, statistic = self.paced(num_classes), ["Borders:Prior=0.5"]
        sampled = chosen.subsample < 1 and np.count_nonzero(~inner_N) * chosen.subsample >= FEWEST_SAMPLED
        settings = {
            "iterations": chosen.num_trees if judged else self.unjudged_trees,
            "learning_rate": chosen.learning_rate,
            "depth": chosen.depth,
            "l2_leaf_reg": chosen.l2_leaf_reg,
            "random_strength": chosen.random_strength,
            "bootstrap_type": "Bernoulli" if sampled else "No",
            **({"subsample": chosen.subsample} if sampled else {}),
            "rsm": chosen.feature_fraction,
            "border_count": chosen.border_count,
            "one_hot_max_size": chosen.one_hot_levels,
            # One cheap statistic and one Newton step cost a third of CatBoost's own choice and lose nothing measurable.
            "max_ctr_complexity": 1,
            "simple_ctr": statistic,
            "combinations_ctr": statistic,
            "leaf_estimation_iterations": 1,
            "boosting_type": "Plain",
            "loss_function": {0: "RMSE", 2: "Logloss"}.get(num_classes, "MultiClass"),
            **({"od_type": "Iter", "od_wait": chosen.early_stopping_rounds, "use_best_model": True} if judged else {}),
            "random_seed": seed,
            "thread_count": threads,
            "allow_writing_files": False,
            "verbose": False,
        }
        return Booster(settings)

    def load(self, files: Files) -> FittedCatBoost:
        """Read the trees.

        Raises:
            ArtifactFault: the files are missing or broken, or their arrays do not fit together.
        """
        return FittedCatBoost(ObliviousTrees.from_files(files))


@dataclass
class FittedCatBoost:
    """The trees of a booster."""

    trees: ObliviousTrees

    @property
    def facts(self) -> Mapping[str, float]:
        """The number of trees."""
        return {"num_trees": float(self.trees.num_trees)}

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        from scipy.special import expit, softmax

        raw_NK, num_classes = self.trees.raw(batch.matrix()), self.trees.shape.num_classes
        if num_classes == 2:
            probability_N: np.ndarray = expit(raw_NK[:, 0])
            return np.column_stack([1 - probability_N, probability_N])
        probability_NK: np.ndarray = softmax(raw_NK, axis=1)
        return probability_NK if num_classes else raw_NK

    def files(self) -> Files:
        """Return the trees as plain arrays."""
        return self.trees.files()


def _nothing_to_learn(x_NF: np.ndarray, y_N: np.ndarray) -> bool:
    """Whether CatBoost would refuse: one label, or no feature that varies."""
    same_label = len(y_N) == 0 or bool((y_N == y_N[0]).all())
    return same_label or not any(len(np.unique(x_N)) > 1 for x_N in x_NF.T)


def _constant(y_N: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the bias that predicts the mean, or the share of each class with half a row more."""
    if not num_classes:
        return np.array([np.mean(y_N)])
    logit_K: np.ndarray = np.log(np.bincount(y_N, minlength=num_classes) + 0.5)
    return logit_K[1:] - logit_K[:1] if num_classes == 2 else logit_K
