"""Fit an algorithm on numbers of a size that it can bear, and give its predictions back in the label's own units.

Many learners compute in float32, or compare with a fixed small number: of labels around 1e9 with a deviation of 10, of
features in Unix seconds or in ampere they would learn nothing. One place, this one, takes the mean or the median away
and divides, in float64, before every fit; what it subtracted is kept with the fitted model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from assay.batch import Batch
from assay.errors import ArtifactFault
from assay.parts import Algorithm, Files, Fitted
from assay.recipe import OWN_STEPS, StepState, WithSteps, settle
from assay.seeds import child
from assay.vocabulary import ColumnKind

LABEL, FEATURES = "label-scale.json", "feature-units.json"
OURS = (LABEL, OWN_STEPS, FEATURES)
FAR = 2.0**10  # medians at so many times the spread leave float32 fewer than 2**14 values to tell rows apart
SMALLEST, LARGEST = 1e-3, 1e30  # a spread between them needs no other unit; scikit-learn's trees miss steps below 1e-7
SAMPLE_ROWS = 5_000  # that the median and the spread of a feature are told from
MOST = 1e38  # float32 holds it
SPREADS = ((0.25, 0.75), (0.05, 0.95), (0.01, 0.99), (0.0, 1.0))  # the first pair of quantiles that differs


def fit_in_units(algorithm: Algorithm, batch: Batch, seed: int, fit: Callable[[Batch], Fitted]) -> Fitted:
    """Call `fit` with a standardised label, features in units that float32 can tell apart, and no pending steps.

    Returns a model that takes and gives the units of `batch`.
    """
    scale = LabelScale.chosen(algorithm, batch)
    if scale:
        batch = replace(batch, y_N=scale.shrunk(batch.label_N))
    steps: tuple[StepState, ...] = ()
    if batch.pending:
        steps, batch = settle(batch, child(seed, "steps"))
    units = FeatureUnits.of(batch)
    fitted = fit(units.apply(batch) if units else batch)
    if units:
        fitted = WithFeatureUnits(units, fitted)
    if steps:
        fitted = WithSteps(steps, fitted)
    return WithLabelScale(scale, fitted) if scale else fitted


@dataclass(frozen=True)
class LabelScale:
    """Mean and standard deviation of the label among the rows of a fit.

    Example:
        >>> LabelScale.of(np.array([1e9, 1e9 + 2]))
        LabelScale(mean=1000000001.0, deviation=1.0)
    """

    mean: float
    deviation: float

    @classmethod
    def chosen(cls, algorithm: Algorithm, batch: Batch) -> LabelScale | None:
        """Return the scale, None for classes and for an algorithm that takes this label as it is."""
        if batch.num_classes or algorithm.label_units == "own" or not len(batch):
            return None
        scale = cls.of(batch.label_N)
        return None if algorithm.label_units == "own unless far" and not scale.is_far else scale

    @classmethod
    def of(cls, y_N: np.ndarray) -> LabelScale:
        """Return the scale of any finite numbers, subnormal or close to the largest too."""
        y_N = y_N.astype(np.float64, copy=False)
        with np.errstate(over="ignore"):
            mean = float(y_N.mean())
        if not np.isfinite(mean):
            mean = float((y_N / len(y_N)).sum())
        apart_N = y_N - mean
        widest = float(np.abs(apart_N).max())
        if widest == 0:
            return cls(mean, 1.0)
        return cls(mean, widest * float(np.sqrt(np.mean((apart_N / widest) ** 2))) or widest)

    @property
    def is_far(self) -> bool:
        """Whether a learner of float32 would lose much of the label."""
        return abs(self.mean) > FAR * self.deviation or not SMALLEST < self.deviation < 1 / SMALLEST**2

    def shrunk(self, y_N: np.ndarray) -> np.ndarray:
        """Return labels as distances from the mean, in deviations, float64."""
        shrunk_N: np.ndarray = (y_N.astype(np.float64, copy=False) - self.mean) / self.deviation
        return shrunk_N

    def grown(self, y_NK: np.ndarray) -> np.ndarray:
        """Return in the label's units, as float64, what `shrunk` gave."""
        grown_NK: np.ndarray = y_NK.astype(np.float64) * self.deviation + self.mean
        return grown_NK


@dataclass(frozen=True)
class FeatureUnits:
    """For some numeric features, by column: their places, the numbers taken away, and units that are powers of two.

    A power of two changes no digit, and what lies near the median loses none when that is taken away.
    """

    columns: Mapping[str, tuple[tuple[int, float, float], ...]]  # name -> (place, centre, unit)

    @classmethod
    def of(cls, batch: Batch) -> FeatureUnits | None:
        """Return the units of features whose values float32, or steps of 1e-7, would not tell apart; often None.

        Example:
            >>> from assay.batch import from_matrix
            >>> FeatureUnits.of(from_matrix(1.7e9 + np.arange(8.0)[:, None]))
            FeatureUnits(columns={'x': ((0, 1700000003.0, 4.0),)})
            >>> FeatureUnits.of(from_matrix(np.arange(8.0)[:, None]))
        """
        found = {}
        for name, x_N in batch.columns.items():
            if x_N.dtype != np.float64 or not len(x_N):
                continue  # what is float32 already has lost its digits, or has been scaled
            column = batch.meaning[name]
            x_ND = x_N if x_N.ndim == 2 else x_N[:, None]
            kinds = [feature.kind for feature in column.packed or ()] or [column.kind] * x_ND.shape[1]
            units = _units(x_ND, np.array([kind is ColumnKind.NUMERIC for kind in kinds], bool))
            if units:
                found[name] = units
        return cls(found) if found else None

    def apply(self, batch: Batch) -> Batch:
        """Return the batch with these features in these units."""
        columns = dict(batch.columns)
        for name, units in self.columns.items():
            changed_ND = columns[name].astype(np.float64).reshape(len(batch), -1)
            for place, centre, unit in units:
                changed_ND[:, place] = np.clip((changed_ND[:, place] - centre) / unit, -MOST, MOST)
            columns[name] = changed_ND.reshape(columns[name].shape)
        return replace(batch, columns=columns)


def _units(x_ND: np.ndarray, numeric_D: np.ndarray) -> tuple[tuple[int, float, float], ...]:
    """Return place, centre and unit of each feature that is far from zero, or very small or large."""
    sorted_nD = np.sort(x_ND[:: 1 + (len(x_ND) - 1) // SAMPLE_ROWS], axis=0)  # NaN comes last
    count_D = len(sorted_nD) - np.isnan(sorted_nD).sum(axis=0)
    place_D = np.arange(x_ND.shape[1])

    def quantile(share: float) -> np.ndarray:
        found_D: np.ndarray = sorted_nD[(np.maximum(count_D - 1, 0) * share).astype(int), place_D]
        return found_D

    centre_D, spread_D = quantile(0.5), np.zeros(x_ND.shape[1])
    for low, high in SPREADS:
        spread_D = np.where(spread_D > 0, spread_D, quantile(high) - quantile(low))
    for place in np.flatnonzero(numeric_D & (count_D > 0) & (spread_D == 0)):  # the sample may have missed all others
        x_n = x_ND[~np.isnan(x_ND[:, place]), place]
        spread_D[place] = x_n.max() - x_n.min()
    far_D = (np.abs(centre_D) > FAR * spread_D) | (spread_D < SMALLEST) | (spread_D > LARGEST)
    chosen_d = np.flatnonzero(numeric_D & far_D & (spread_D > 0) & np.isfinite(spread_D))
    return tuple(
        (place, float(centre_D[place]), math.ldexp(1.0, math.frexp(spread_D[place])[1] - 1))
        for place in chosen_d.tolist()
    )


@dataclass(frozen=True)
class WithLabelScale:
    """A model fitted on a standardised label, that predicts in the label's units."""

    scale: LabelScale
    fitted: Fitted

    @property
    def facts(self) -> Mapping[str, float]:
        """What fitting settled."""
        return self.fitted.facts

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_N1, float64."""
        return self.scale.grown(self.fitted.predict(batch))

    def files(self) -> Files:
        """Return the model's content, and the scale as JSON."""
        return _beside(self.fitted.files(), LABEL, asdict(self.scale))


@dataclass(frozen=True)
class WithFeatureUnits:
    """A model fitted on features in other units than those of the rows."""

    units: FeatureUnits
    fitted: Fitted

    @property
    def facts(self) -> Mapping[str, float]:
        """What fitting settled."""
        return self.fitted.facts

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK."""
        return self.fitted.predict(self.units.apply(batch))

    def files(self) -> Files:
        """Return the model's content, and the units as JSON."""
        return _beside(self.fitted.files(), FEATURES, dict(self.units.columns))


def _beside(content: Files, name: str, plain: Any) -> Files:
    assert name not in content, "an algorithm's file would be replaced"
    return {**content, name: json.dumps(plain, allow_nan=False).encode()}


def loaded(algorithm: Algorithm, files: Files) -> Fitted:
    """Read what a fitted algorithm gave as its files, with the steps, units and scale that were learned with it.

    Raises:
        ArtifactFault: the content is not what the algorithm writes.
    """
    fitted = algorithm.load({name: data for name, data in files.items() if name not in OURS})
    if FEATURES in files:
        fitted = WithFeatureUnits(FeatureUnits(_read(FEATURES, files, _checked_units)), fitted)
    if OWN_STEPS in files:
        fitted = WithSteps(tuple(StepState(**step) for step in json.loads(files[OWN_STEPS])), fitted)
    if LABEL in files:
        fitted = WithLabelScale(_read(LABEL, files, _checked_scale), fitted)
    return fitted


def _read(name: str, files: Files, check: Callable[[Any], Any]) -> Any:
    try:
        return check(json.loads(files[name]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactFault.at(name, f"is broken ({error})", "take the model from where it was made") from None


def _checked_scale(plain: Any) -> LabelScale:
    scale = LabelScale(float(plain["mean"]), float(plain["deviation"]))
    if not (math.isfinite(scale.mean) and math.isfinite(scale.deviation) and scale.deviation > 0):
        raise ValueError("numbers must be finite, and the deviation above 0")
    return scale


def _checked_units(plain: Any) -> dict[str, tuple[tuple[int, float, float], ...]]:
    columns = {
        name: tuple((int(place), float(centre), float(unit)) for place, centre, unit in units)
        for name, units in plain.items()
    }
    for place, centre, unit in (entry for units in columns.values() for entry in units):
        if place < 0 or not math.isfinite(centre) or not math.isfinite(unit) or unit <= 0:
            raise ValueError("numbers must be finite, and units above 0")
    return columns
