"""Learns from out-of-fold predictions how far probabilities may be trusted, and proves it on rows it did not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.decision import Calibration, Curve, Isotonic, Temperature, logarithms
from assay.parts import Metric

MIN_ROWS_FOR_A_CURVE = 5_000  # of each class; with fewer, a curve follows noise (Niculescu-Mizil and Caruana 2005)
MAX_NUMBERS = 1_000_000  # rows x classes that slope, floor and biases are learned from
SMALLEST_SLOPE, LARGEST_SLOPE = 1e-3, 1e2
FLOORS = (1e-6, 1e-4, 1e-3, 1e-2)
Fit = Callable[[np.ndarray, np.ndarray], Calibration]


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and what out-of-fold predictions become by it when each fold is left to the others."""

    calibration: Calibration | None
    prediction_NK: np.ndarray  # each fold by a calibration that was learned on the other folds
    log_loss_before: float
    log_loss_after: float

    @property
    def method(self) -> str:
        """How probabilities are changed."""
        return self.calibration.method if self.calibration else "none"


def calibrated(
    asked: str, prediction_NK: np.ndarray, y_N: np.ndarray, fold_N: np.ndarray, metric: Metric
) -> Calibrated:
    """Learn a calibration as `asked`: auto, none, temperature or isotonic.

    auto takes a richer one only where it gains more than one standard error over the simpler, fold by fold on rows that
    it did not learn from: nothing, then temperature, then a bias for each class, then curves where every class has
    MIN_ROWS_FOR_A_CURVE rows and `metric` does not fall: curves make ties, which those lose that rank rows.
    """
    loss_N = losses(prediction_NK, y_N)
    before = float(loss_N.mean())
    best = Calibrated(None, prediction_NK.astype(np.float64), before, before)
    for place, fit in enumerate(_ladder(asked, y_N, prediction_NK.shape[1])):
        tried_NK = cross_fitted(fit, prediction_NK, y_N, fold_N)
        tried_N = losses(tried_NK, y_N)
        gain_N = loss_N - tried_N
        wanted = gain_N.mean() > gain_N.std() / np.sqrt(len(gain_N))
        if fit is isotonic:
            wanted = wanted and metric.gain(metric.score(y_N, tried_NK) - metric.score(y_N, best.prediction_NK)) >= 0
        if wanted or (place == 0 and asked != "auto"):
            best, loss_N = Calibrated(fit(prediction_NK, y_N), tried_NK, before, float(tried_N.mean())), tried_N
    return best


def _ladder(asked: str, y_N: np.ndarray, num_classes: int) -> list[Fit]:
    """Return the ways to try, the simplest first."""
    scaled: list[Fit] = [biased_temperature] if num_classes == 2 else [plain_temperature, biased_temperature]
    enough = np.bincount(y_N, minlength=num_classes).min() >= MIN_ROWS_FOR_A_CURVE
    curves: list[Fit] = [isotonic] if asked == "isotonic" or enough else []
    return {"none": [], "temperature": scaled, "isotonic": curves, "auto": [*scaled, *curves]}[asked]


def cross_fitted(fit: Fit, prediction_NK: np.ndarray, y_N: np.ndarray, fold_N: np.ndarray) -> np.ndarray:
    """Return probability_NK in which each fold is calibrated by what the other folds taught."""
    probability_NK = np.empty(prediction_NK.shape)
    for fold in np.unique(fold_N):
        held_N = fold_N == fold
        probability_NK[held_N] = fit(prediction_NK[~held_N], y_N[~held_N]).apply(prediction_NK[held_N])
    return probability_NK


def losses(prediction_NK: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    """Return the negative logarithm of each row's probability of its class, as the metric log_loss counts it."""
    right_N = prediction_NK[np.arange(len(y_N)), y_N].astype(np.float64) / prediction_NK.sum(axis=1, dtype=np.float64)
    loss_N: np.ndarray = -np.log(np.clip(right_N, np.finfo(np.float64).eps, 1.0))
    return loss_N


def plain_temperature(prediction_NK: np.ndarray, y_N: np.ndarray) -> Temperature:
    """Learn slope and floor."""
    return _temperature(prediction_NK, y_N, biased=False)


def biased_temperature(prediction_NK: np.ndarray, y_N: np.ndarray) -> Temperature:
    """Learn slope and floor, and a bias for each class."""
    return _temperature(prediction_NK, y_N, biased=True)


def _temperature(prediction_NK: np.ndarray, y_N: np.ndarray, biased: bool) -> Temperature:
    rows = slice(None, None, -(-prediction_NK.size // MAX_NUMBERS))
    found = [_at_floor(prediction_NK[rows], y_N[rows], biased, floor) for floor in FLOORS]
    return min(found, key=lambda pair: pair[0])[1]


def _at_floor(prediction_NK: np.ndarray, y_N: np.ndarray, biased: bool, floor: float) -> tuple[float, Temperature]:
    """Return the least log loss with one floor, and what reaches it.

    A standard normal prior on slope - 1 and on the biases, worth about one row each, keeps them finite where classes
    are told apart without a fault, and makes the minimum unique. Sums, not matrix products, which may add up in another
    order with another number of threads.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    log_NK, num_classes = logarithms(prediction_NK, floor), prediction_NK.shape[1]
    right_NK = np.eye(num_classes)[y_N]

    def cost(setting_S: np.ndarray) -> tuple[float, np.ndarray]:
        slope, bias_K = setting_S[0], setting_S[1:]
        score_NK = log_softmax(slope * log_NK + bias_K, axis=1)
        gap_NK = np.exp(score_NK) - right_NK
        value = ((slope - 1) ** 2 + (bias_K**2).sum()) / 2 - (score_NK * right_NK).sum()
        pull_S = np.r_[(gap_NK * log_NK).sum() + slope - 1, gap_NK.sum(axis=0) + bias_K]
        return value / len(y_N), pull_S / len(y_N)

    free = (-50.0, 50.0) if biased else (0.0, 0.0)
    bounds = [(SMALLEST_SLOPE, LARGEST_SLOPE), *([free] * num_classes)]
    start_S = np.r_[1.0, np.zeros(num_classes)]
    found = minimize(cost, start_S, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12})
    slope, *bias = found.x.tolist()
    return float(found.fun), Temperature(slope=slope, bias=tuple(bias), floor=floor)


def isotonic(prediction_NK: np.ndarray, y_N: np.ndarray) -> Isotonic:
    """Learn a rising curve for each class."""
    num_classes = prediction_NK.shape[1]
    classes = [1] if num_classes == 2 else range(num_classes)
    return Isotonic(curves=tuple(_curve(prediction_NK[:, index], y_N == index) for index in classes))


def _curve(said_N: np.ndarray, true_N: np.ndarray) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    # No row proves that a share is 0 or 1: one more row of each class keeps a sure mistake from costing everything.
    edge = 1.0 / (len(said_N) + 2)
    fitted = IsotonicRegression(y_min=edge, y_max=1 - edge).fit(np.clip(said_N.astype(np.float64), 0, 1), true_N)
    return Curve(said=tuple(fitted.X_thresholds_.tolist()), true=tuple(fitted.y_thresholds_.tolist()))
