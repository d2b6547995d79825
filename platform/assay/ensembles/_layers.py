"""Layers of meta-learners: each is fitted on what the layer below said about rows that it had not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay import catalog
from assay.batch import Batch, from_matrix
from assay.fitting import fit_in_units
from assay.parts import Algorithm, Evidence, Fit, Fitted
from assay.seeds import generator
from assay.vocabulary import Shelf

PROBABILITY_FLOOR = 1e-4  # keeps the log-odds of an overconfident member within +-9.2
MAX_LOG_TEMPERATURE = 2.0
LARGE = 4.0  # the mean is written so large that a penalty hardly touches it, and pulls the rest towards it
NUM_GROUPS = 3  # of folds, for a temperature; a layer of meta-learners gets every fold
ENOUGH_ROWS = 5_000  # tell a temperature to one or two percent


@dataclass(frozen=True)
class Scale:
    """The label's mean and spread, so that a penalty means the same in grams and in tons; 0 and 1 for classes."""

    centre: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, evidence: Evidence) -> Scale:
        """Return the scale of the labels."""
        if evidence.task.is_classification or not len(evidence.y_N):
            return cls()
        return cls(float(evidence.y_N.mean()), float(evidence.y_N.std()) or 1.0)

    def shrunk(self, value: np.ndarray) -> np.ndarray:
        """Return numbers in units of the spread."""
        found: np.ndarray = (value - self.centre) / self.spread
        return found

    def grown(self, value: np.ndarray) -> np.ndarray:
        """Return what `shrunk` was given."""
        found: np.ndarray = value * self.spread + self.centre
        return found


def stacked(prediction_MNK: np.ndarray) -> np.ndarray:
    """Return what a meta-learner reads: x_NF, `LARGE` times the members' mean and each member's distance from it.

    F = (M + 1) * (K - 1) log-odds, or M + 1 numbers. A penalty then pulls towards the plain mean, not towards nothing.

    Example:
        >>> stacked(np.array([[[1.0]], [[3.0]]])).tolist()
        [[8.0, -1.0, 1.0]]
    """
    num_rows, num_classes = prediction_MNK.shape[1:]
    said_NMK = prediction_MNK.transpose(1, 0, 2)
    if num_classes > 1:
        # Single precision is plenty for log-odds, and takes a fraction of the time.
        said_NMK = np.clip(said_NMK.astype(np.float32), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
        said_NMK = np.log(said_NMK[:, :, 1:] / said_NMK[:, :, :1])
    said_NMK = said_NMK.astype(np.float64)
    mean_NK = said_NMK.mean(axis=1)
    said_NMK -= mean_NK[:, None]
    return np.hstack([LARGE * mean_NK, said_NMK.reshape(num_rows, said_NMK.shape[1] * said_NMK.shape[2])])


def read_by(said_MNK: np.ndarray, batch: Batch | None, y_N: np.ndarray | None = None) -> Batch:
    """Return the rows that a layer reads: what the layer below said, beside the original columns where it has them."""
    num_classes = said_MNK.shape[2]
    said = from_matrix(stacked(said_MNK), y_N, num_classes=num_classes if num_classes > 1 else 0)
    return said if batch is None else said.beside(batch)


def fitted_on(fit: Fit, rows: Batch) -> Fitted:
    """Fit a meta-learner, on a sample where it cannot bear so many rows.

    Raises:
        ValueError: the algorithm is not for this task.
    """
    algorithm: Algorithm = catalog.make(Shelf.ALGORITHMS, fit.algorithm, fit.params)
    if (rows.num_classes > 0) not in {task.is_classification for task in algorithm.tasks}:
        raise ValueError(f"'{fit.algorithm}' is not for this task")
    if algorithm.row_cap is not None and len(rows) > algorithm.row_cap:
        chosen_n = generator(fit.seed, "row_cap").choice(len(rows), algorithm.row_cap, replace=False)
        rows = rows.take(np.sort(chosen_n))
    return fit_in_units(algorithm, rows, fit.seed, lambda rows: algorithm.fit(rows, fit.seed))


def cross_fitted(fit: Fit, rows: Batch, fold_N: np.ndarray) -> np.ndarray:
    """Return prediction_NK: each fold predicted by a fit on the other folds."""
    prediction_NK = np.empty((len(rows), max(rows.num_classes, 1)))
    for fold in np.unique(fold_N):
        held_N = fold_N == fold
        prediction_NK[held_N] = fitted_on(fit, rows.take(~held_N)).predict(rows.take(held_N))
    return prediction_NK


def folds_of(evidence: Evidence) -> np.ndarray:
    """Return fold_N of at least two folds, numbered from 0; one fold alone is divided row by row."""
    found, fold_N = np.unique(evidence.fold_N, return_inverse=True)
    return fold_N if len(found) > 1 else np.arange(len(fold_N)) % NUM_GROUPS


def cross_fitted_temperature(fit: Fit, rows: Batch, fold_N: np.ndarray) -> float:
    """Return the temperature for what a meta-learner says of rows it was not fitted on.

    Folds are joined to a few groups, and a group with many rows speaks for all: it is one number.
    """
    group_N = fold_N % NUM_GROUPS
    said, label = [], []
    for group in np.unique(group_N):
        held_N = group_N == group
        said.append(fitted_on(fit, rows.take(~held_N)).predict(rows.take(held_N)))
        label.append(rows.label_N[held_N])
        if sum(map(len, label)) >= ENOUGH_ROWS:
            break
    return temperature_of(np.concatenate(said), np.concatenate(label))


def temperature_of(probability_NK: np.ndarray, y_N: np.ndarray) -> float:
    """Return T that minimises the log loss of `tempered`; more than 1 makes sure rows less sure.

    Source: Guo et al. 2017, "On calibration of modern neural networks", ICML.
    """
    from scipy.optimize import minimize_scalar

    log_NK = np.log(np.maximum(probability_NK, PROBABILITY_FLOOR**2))
    apart_NK = log_NK - log_NK[np.arange(len(y_N)), y_N][:, None]  # from the right class, whose own is 0

    def loss(log_temperature: float) -> float:
        return float(np.log(np.exp(apart_NK * np.exp(-log_temperature)).sum(axis=1)).mean())

    bounds = (-MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


def tempered(probability_NK: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities to the power of 1 / T, summing to 1; the order of the classes stays.

    Example:
        >>> tempered(np.array([[0.2, 0.8]]), 0.5).round(3).tolist()
        [[0.059, 0.941]]
    """
    from scipy.special import softmax

    sharp_NK: np.ndarray = softmax(np.log(np.maximum(probability_NK, PROBABILITY_FLOOR**2)) / temperature, axis=1)
    return sharp_NK
