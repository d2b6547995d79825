"""Random convolutions of series with a linear model behind them: strong and fast on few series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import Field

from assay.algorithms import _arrays, _kernels, _ridge_head
from assay.algorithms._kernels import Kernels
from assay.algorithms._threads import pinned
from assay.batch import Batch
from assay.parts import COST_FEATURES, COST_ROWS, Algorithm, Files
from assay.spec.spaces import Choice
from assay.spec.strict import Strict
from assay.vocabulary import ColumnKind

TYPES = {
    "high": ("int64", 1),
    "dilation": ("int64", 1),
    "channels": ("uint8", 2),
    "bias": ("float32", 2),
    "gain": ("float32", 1),
    "num_steps": ("int64", 1),
    "weight": ("float32", 2),
    "intercept": ("float32", 1),
    "sureness": ("float32", 1),
    "seen": ("int64", 1),
}

HEAD_S = 2.5  # of a ridge regression on 2,016 shares, once there are as many rows
LEAST_STEPS = 48  # to which short series are stretched, so that the widest kernels still find room
USUAL_SHARE = 0.9  # of the series are not longer than the steps that are read


class RandomConvolutions(Algorithm):
    """Shares of the time that random dilated kernels are above a bias, read by a ridge regression.

    Series are stretched to one length and channels divided by their deviation; each kernel adds up a few channels.
    Penalty and probabilities are told by leaving each row out, in closed form. Reads the one column of series; plain
    columns beside it are not read.

    Source: Dempster, Schmidt and Webb 2021, "MiniRocket: a very fast (almost) deterministic transform for time series
    classification", KDD.

    Example:
        >>> from assay.batch import Column
        >>> wave_NTC = np.sin(np.arange(40)[None, :, None] * np.repeat([0.3, 0.9], 10)[:, None, None])
        >>> columns = {"x": wave_NTC.astype(np.float32)}
        >>> y_N = np.repeat([0, 1], 10)
        >>> batch = Batch(columns, {"x": Column(ColumnKind.SERIES)}, np.arange(20), y_N, num_classes=2)
        >>> RandomConvolutions().fit(batch, seed=0).predict(batch)[[0, 19]].argmax(axis=1).tolist()
        [0, 1]
    """

    class Params(Strict):
        """Settings of the kernels."""

        num_features: int = Field(2_016, ge=84, le=50_000, description="shares that are read; about, in steps of 84")
        max_steps: int = Field(128, ge=9, le=10_000, description="length to which series are stretched, at most")

    kinds: ClassVar[frozenset[str]] = frozenset({"series"})
    wants = "raw"
    row_cap: ClassVar[int] = 20_000
    cost = 8.0
    space = {"num_features": Choice((1_008, 2_016, 4_032)), "max_steps": Choice((32, 64, 128, 256))}
    portfolio = ({}, {"num_features": 4_032})

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: each share looks at every step once, and rows or shares are decomposed."""
        rows = min(num_rows, cls.row_cap) / COST_ROWS
        growth = 0.9 + 0.1 * min(num_features / COST_FEATURES, 20)  # longer series are made shorter
        return (cls.cost - HEAD_S) * rows * growth + HEAD_S * min(min(num_rows, cls.row_cap) / 2_016, 1.0) ** 3

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedConvolutions:
        """Learn from every series of `batch`."""
        x_NTC = batch.only(ColumnKind.SERIES)
        length_N = _lengths(x_NTC)
        num_steps = min(self.params.max_steps, max(LEAST_STEPS, int(np.quantile(length_N, USUAL_SHARE))))
        gain_C = _gains(x_NTC)
        even_NTC = _even(x_NTC, num_steps, gain_C)
        kernels = _kernels.drawn(even_NTC, self.params.num_features, seed)
        seen_K, target_NK, place_N, mean, scale = _target(batch)
        with pinned(threads):
            head = _ridge_head.fitted(kernels.shares(even_NTC).astype(np.float64), target_NK, batch.weight_N, place_N)
        weight_FK, intercept_K = head.weight_FK * scale, head.intercept_K * scale + mean
        return FittedConvolutions(
            kernels,
            gain_C,
            num_steps,
            weight_FK.astype(np.float32),
            intercept_K.astype(np.float32),
            float(np.float32(head.sureness)),  # as it is kept: a model predicts the same once it is loaded
            seen_K,
            batch.num_classes,
            {"penalty": head.penalty},
        )

    def load(self, files: Files) -> FittedConvolutions:
        """Read the kernels and the weights.

        Raises:
            ArtifactFault: a file is missing or broken, or arrays do not fit together.
        """
        shape, found = _arrays.from_files(files, TYPES)
        kernels = Kernels(found["high"], found["dilation"], found["channels"], found["bias"])
        num_kernels, num_outputs = len(kernels.high_K), max(1, len(found["seen"]))
        _arrays.need(len(found["num_steps"]) == 1 and len(found["sureness"]) == 1, "has no length or sureness")
        num_steps = int(found["num_steps"][0])
        _arrays.need(_kernels.TAPS <= num_steps <= 10_000, f"stretches series to {num_steps} steps")
        _arrays.need(
            kernels.channel_KC.shape == (num_kernels, shape.num_features)
            and len(kernels.dilation_K) == len(kernels.bias_KB) == num_kernels
            and found["gain"].shape == (shape.num_features,)
            and found["weight"].shape == (kernels.num_features, num_outputs)
            and found["intercept"].shape == (num_outputs,),
            "has arrays that do not fit together",
        )
        high_K, dilation_K, seen_K = kernels.high_K, kernels.dilation_K, found["seen"]
        _arrays.need(bool(((high_K >= 0) & (high_K < len(_kernels.HIGH))).all()), "has an unknown pattern")
        _arrays.need(bool(((dilation_K >= 1) & (dilation_K <= num_steps)).all()), "has a dilation beyond the series")
        classes = bool(len(seen_K)) == bool(shape.num_classes)
        _arrays.need(classes and bool(((seen_K >= 0) & (seen_K < shape.num_classes)).all()), "names an unknown class")
        return FittedConvolutions(
            kernels,
            found["gain"],
            num_steps,
            found["weight"],
            found["intercept"],
            float(found["sureness"][0]),
            seen_K,
            shape.num_classes,
        )


@dataclass(frozen=True)
class FittedConvolutions:
    """Kernels, and the weights of their shares; scores of the classes that training rows had."""

    kernels: Kernels
    gain_C: np.ndarray
    num_steps: int
    weight_FK: np.ndarray
    intercept_K: np.ndarray
    sureness: float
    seen_K: np.ndarray  # class of each score; empty for regression
    num_classes: int
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        from scipy.special import softmax

        x_NTC = batch.only(ColumnKind.SERIES)
        share_NF = self.kernels.shares(_even(x_NTC, self.num_steps, self.gain_C))
        with pinned(1):
            score_NK = share_NF.astype(np.float64) @ self.weight_FK + self.intercept_K
        if not self.num_classes:
            return np.asarray(score_NK)
        prediction_NK = np.zeros((len(x_NTC), self.num_classes))
        prediction_NK[:, self.seen_K] = softmax(score_NK * self.sureness, axis=1)
        return prediction_NK

    def files(self) -> Files:
        """Return the arrays."""
        arrays = {
            "high": self.kernels.high_K,
            "dilation": self.kernels.dilation_K,
            "channels": self.kernels.channel_KC,
            "bias": self.kernels.bias_KB,
            "gain": self.gain_C,
            "num_steps": np.array([self.num_steps], np.int64),
            "weight": self.weight_FK,
            "intercept": self.intercept_K,
            "sureness": np.array([self.sureness], np.float32),
            "seen": self.seen_K,
        }
        shape = _arrays.Shape(num_features=len(self.gain_C), num_classes=self.num_classes)
        return _arrays.to_files(shape, arrays)


def _target(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, float, float]:
    """Return the classes seen, what the ridge learns, each row's place among the classes, and how to undo scaling."""
    y_N = batch.label_N
    if batch.num_classes:
        seen_K, place_N = np.unique(y_N, return_inverse=True)
        return seen_K.astype(np.int64), np.eye(len(seen_K))[place_N] * 2 - 1, place_N, 0.0, 1.0
    mean, scale = float(y_N.mean()), float(y_N.std()) or 1.0
    return np.zeros(0, np.int64), ((y_N - mean) / scale)[:, None], None, mean, scale


def _lengths(x_NTC: np.ndarray) -> np.ndarray:
    return np.asarray((~np.isnan(x_NTC[:, :, 0])).sum(axis=1))


def _gains(x_NTC: np.ndarray) -> np.ndarray:
    """Return what each channel is multiplied by, float32; a constant one says nothing and gets 0."""
    std_C = np.nanstd(x_NTC.astype(np.float64), axis=(0, 1))
    return np.where(std_C > 1e-9, 1 / np.maximum(std_C, 1e-9), 0.0).astype(np.float32)


def _even(x_NTC: np.ndarray, num_steps: int, gain_C: np.ndarray) -> np.ndarray:
    """Return the series stretched to one length, float32."""
    found: np.ndarray = _kernels.stretched(x_NTC, _lengths(x_NTC), num_steps) * gain_C
    return found
