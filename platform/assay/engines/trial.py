"""One fold of one trial: the inner loop, which runs in a Tune actor but needs no Ray."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from assay import catalog
from assay.batch import Batch
from assay.engines.fit_torch import Epochs, Place, Training, fit_torch
from assay.fitting import fit_in_units
from assay.parts import Algorithm, Fitted, Json, Metric
from assay.seeds import child, row_hash
from assay.training.network import Network
from assay.vocabulary import Shelf

# What a fit may raise because of its settings and its rows; anything else is a bug and ends the run.
FIT_ERRORS = (ValueError, ArithmeticError, RuntimeError, MemoryError, np.linalg.LinAlgError)


@dataclass(frozen=True)
class FoldResult:
    """What one fold of one trial gave; score and gain are NaN where its rows have none, as AUC of one class."""

    fold: int
    score: float
    gain: float
    fit_s: float
    predict_us_per_row: float
    num_rows: int  # training rows fitted, fewer than given when the algorithm caps them
    facts: Mapping[str, float] = field(default_factory=dict)
    predict_s: float = 0.0  # of the rows held out

    def to_json(self) -> Json:
        """Return plain data that `from_json` reads."""
        plain = asdict(self) | {"facts": dict(self.facts)}
        return plain | {name: plain[name] if np.isfinite(plain[name]) else None for name in ("score", "gain")}

    @classmethod
    def from_json(cls, data: Json) -> FoldResult:
        """Read what `to_json` wrote."""
        return cls(**{**data, **{name: np.nan for name in ("score", "gain") if data[name] is None}})


@dataclass(frozen=True)
class Bench:
    """What a network is trained with: workers and a GPU, a place for its state, and whom its epochs are told."""

    training: Training
    place: Place
    tell: Epochs | None = None


def fit_capped(
    algorithm: Algorithm, batch: Batch, seed: int, threads: int, bench: Bench | None = None
) -> tuple[Fitted, int]:
    """Fit on the batch, or on a sample when the algorithm has a row cap; returns the model and the rows used.

    Steps that look at the label, the label's scale and the features' units are learned here too, on the same rows, and
    stay with the model.
    """
    from threadpoolctl import threadpool_limits

    if algorithm.row_cap is not None and len(batch) > algorithm.row_cap:
        batch = batch.take(sample(batch, algorithm.row_cap, seed))
    with threadpool_limits(threads):
        fitted = fit_in_units(algorithm, batch, seed, lambda rows: _fitted(algorithm, rows, seed, threads, bench))
    return fitted, len(batch)


def _fitted(algorithm: Algorithm, batch: Batch, seed: int, threads: int, bench: Bench | None) -> Fitted:
    if bench is None or not isinstance(algorithm, Network):
        return algorithm.fit(batch, seed, threads)
    return fit_torch(algorithm, batch, seed, threads, bench.training, bench.place, bench.tell)


def sample(batch: Batch, size: int, seed: int) -> np.ndarray:
    """Return sorted positions of a sample, in which each class has its share and at least one row."""
    hash_N = row_hash(batch.row_N, child(seed, "row_cap"))
    if not batch.num_classes:
        return np.sort(np.argsort(hash_N, kind="stable")[:size])
    order = np.lexsort((hash_N, batch.label_N))
    count_K = np.bincount(batch.label_N, minlength=batch.num_classes)
    wanted_K = np.minimum(np.ceil(count_K * size / len(batch)).astype(int), count_K)
    first_K = np.cumsum(count_K) - count_K
    return np.sort(
        np.concatenate([order[start : start + wanted] for start, wanted in zip(first_K, wanted_K, strict=True)])
    )


def fit_fold(
    algorithm: Algorithm,
    batch: Batch,
    train_N: np.ndarray,
    held_N: np.ndarray,
    fold: int,
    seed: int,
    threads: int,
    metric: Metric,
    bench: Bench | None = None,
) -> tuple[FoldResult, np.ndarray, Fitted]:
    """Fit on the rows `train_N` and judge on the rows `held_N`; returns the result, prediction_nK, the model.

    Probabilities are returned as float32, numbers as float64.

    Raises:
        ValueError: the predictions are not finite, or their shape is wrong.
    """
    started = time.perf_counter()
    fitted, num_rows = fit_capped(algorithm, batch.take(train_N), seed, threads, bench)
    fitted_at = time.perf_counter()
    held = batch.take(held_N)
    prediction_nK = fitted.predict(held)
    predict_s = time.perf_counter() - fitted_at
    if prediction_nK.shape != (len(held), max(batch.num_classes, 1)) or not np.isfinite(prediction_nK).all():
        raise ValueError(f"predictions of shape {prediction_nK.shape} are wrong or not finite")
    score = metric.score(held.label_N, prediction_nK)
    result = FoldResult(
        fold,
        float(score),
        float(metric.gain(score)),
        fitted_at - started,
        1e6 * predict_s / max(len(held), 1),
        num_rows,
        dict(fitted.facts),
        predict_s,
    )
    return result, prediction_nK.astype(np.float32 if batch.num_classes else np.float64), fitted


def algorithm_of(key: str, params: Mapping[str, Any]) -> Algorithm:
    """Return the algorithm of a proposal."""
    made: Algorithm = catalog.make(Shelf.ALGORITHMS, key, dict(params))
    return made
