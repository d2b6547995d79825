"""Fits a member of an ensemble on training rows, and predicts what judges it; runs in an actor but needs no Ray.

What an ensemble may know is decided here and nowhere else: to be judged on a fold it is learned from the rows that a
trial judged on that fold may learn from, and what its members predict for the fold goes past it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay.batch import Batch
from assay.engines.folds import Folds
from assay.engines.kept import Sealed
from assay.engines.trial import algorithm_of, fit_capped
from assay.parts import Evidence, Fitted, Grow, Grown


@dataclass(frozen=True)
class Ground:
    """The training rows that members are fitted on, as each recipe makes them."""

    batches: Mapping[str, Any]  # recipe -> its batch, or a reference to it
    recipe_of: Mapping[str, str]  # algorithm -> recipe
    num_features: Mapping[str, int]  # algorithm -> columns of its matrix
    probes: Mapping[str, Batch]  # recipe -> the few rows that prove a model once it is loaded elsewhere
    y_N: np.ndarray
    folds: Folds  # of which the first repeat counts

    def known(self, without_fold: int | None) -> np.ndarray:
        """Return a mask of the rows that an ensemble may learn from: all, or those for a trial judged on a fold."""
        if without_fold is None:
            return np.ones(len(self.y_N), bool)
        return self.folds.learning_N(without_fold)

    def evidence(self, given: Evidence, without_fold: int | None) -> Evidence:
        """Return the evidence of an ensemble that grows: every row it may learn from, and no predictions of trials."""
        known_N = self.known(without_fold)
        num_columns = given.prediction_MNK.shape[2]
        return replace(
            given,
            prediction_MNK=np.zeros((0, int(known_N.sum()), num_columns), given.prediction_MNK.dtype),
            y_N=self.y_N[known_N],
            fold_N=self.folds.fold_RN[0][known_N],
            num_features=self.num_features,
        )

    def batch(self, algorithm: str) -> Any:
        """Return the batch, or the reference to it, that an algorithm reads."""
        return self.batches[self.recipe_of[algorithm]]


def grow(job: Grow, ground: Ground, batch: Batch, without_fold: int | None, threads: int) -> Grown:
    """Fit a member and predict the rows that its ensemble asks for, and those that judge it.

    Raises:
        ValueError: the predictions are not finite, or their shape is wrong.
    """
    known_n = np.flatnonzero(ground.known(without_fold))
    started = time.perf_counter()
    fitted, num_rows = fit_capped(
        algorithm_of(job.algorithm, job.params), _lesson(job, batch, known_n), job.seed, threads
    )
    fit_s = time.perf_counter() - started
    num_columns = 1 if job.target_N is not None else max(batch.num_classes, 1)
    judging = ground.probes[ground.recipe_of[job.algorithm]]
    if without_fold is not None:
        judging = batch.take(ground.folds.held_N(without_fold))
    started = time.perf_counter()
    judged_nK = _predicted(fitted, _columns(job, judging), num_columns)
    predict_s = time.perf_counter() - started
    told_NK = np.zeros((0, num_columns))
    if not job.quiet:
        told_NK = _predicted(fitted, _columns(job, _rows(batch, known_n)), num_columns)
    told_NK = told_NK.astype(np.float32 if batch.num_classes else np.float64)
    return Grown(
        job.name or job.algorithm,
        job.algorithm,
        job.params,
        None if job.feature_n is None else tuple(job.feature_n.tolist()),
        told_NK,
        fitted=Sealed(dict(fitted.files()), dict(fitted.facts)) if without_fold is None else None,
        judged_nK=judged_nK,
        fit_s=fit_s,
        predict_us_per_row=1e6 * predict_s / max(len(judging), 1),
        num_rows=num_rows,
    )


def _lesson(job: Grow, batch: Batch, known_n: np.ndarray) -> Batch:
    """Return the rows to learn from; the arrays of the job are about the rows that its ensemble knows."""
    place_n = known_n if job.row_n is None else known_n[job.row_n]
    lesson = _columns(job, _rows(batch, place_n))
    chosen: Any = slice(None) if job.row_n is None else job.row_n
    if job.weight_N is not None:
        lesson = replace(lesson, weight_N=job.weight_N[chosen])
    if job.target_N is not None:
        lesson = replace(lesson, y_N=job.target_N[chosen], num_classes=0)
    return lesson


def _rows(batch: Batch, place_n: np.ndarray) -> Batch:
    whole = len(place_n) == len(batch) and bool((place_n == np.arange(len(batch))).all())
    return batch if whole else batch.take(place_n)  # all rows of a large batch are not copied to choose them


def _columns(job: Grow, batch: Batch) -> Batch:
    return batch if job.feature_n is None else batch.of_features(job.feature_n.tolist())


def _predicted(fitted: Fitted, batch: Batch, num_columns: int) -> np.ndarray:
    prediction_nK = fitted.predict(batch)
    if prediction_nK.shape != (len(batch), num_columns) or not np.isfinite(prediction_nK).all():
        raise ValueError(f"predictions of shape {prediction_nK.shape} are wrong or not finite")
    return prediction_nK
