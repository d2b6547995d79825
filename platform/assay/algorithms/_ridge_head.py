"""A linear model on many features of few rows: its penalty, and how sure it is, told by leaving each row out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = tuple(10.0**power for power in np.arange(-1, 5.01, 0.5))
SURENESS = tuple(2.0**power for power in np.arange(-2, 6.01, 0.25))  # what scores are multiplied by before a softmax
SMALLEST = 1e-12


@dataclass(frozen=True)
class Head:
    """score_NK = feature_NF @ weight_FK + intercept_K; `sureness` turns scores of classes into probabilities."""

    weight_FK: np.ndarray  # float64
    intercept_K: np.ndarray
    penalty: float
    sureness: float


def fitted(feature_NF: np.ndarray, target_NK: np.ndarray, weight_N: np.ndarray | None, y_N: np.ndarray | None) -> Head:
    """Return the head of least error on rows left out one by one; by log loss when `y_N` gives the class of each row.

    Features are standardised inside; closed form, no random numbers.
    Source: Hoerl and Kennard 1970, Technometrics 12(1); Allen 1974, "The relationship between variable selection and
    data augmentation and a method for prediction" (leaving one out, in closed form).
    """
    share_N = np.ones(len(feature_NF)) if weight_N is None else weight_N * (len(weight_N) / weight_N.sum())
    share_N = share_N / len(share_N)
    mean_F = share_N @ feature_NF
    scale_F = np.sqrt(share_N @ (feature_NF - mean_F) ** 2)
    gain_F = np.where(scale_F > 1e-6, 1 / np.maximum(scale_F, 1e-6), 0.0)
    root_N1 = np.sqrt(share_N * len(share_N))[:, None]
    z_NF = root_N1 * (feature_NF - mean_F) * gain_F
    mean_K = share_N @ target_NK
    off_NK = root_N1 * (target_NK - mean_K)
    # One decomposition serves all penalties: of rows by rows, or of features by features where those are fewer.
    wide = z_NF.shape[0] <= z_NF.shape[1]
    value_R, vector = np.linalg.eigh(z_NF @ z_NF.T if wide else z_NF.T @ z_NF)
    value_R = np.maximum(value_R, 0)
    left_NR = vector if wide else (z_NF @ vector) / np.sqrt(np.maximum(value_R, SMALLEST))
    told_R = value_R > SMALLEST * max(float(value_R[-1]), SMALLEST)
    left_NR, value_R = left_NR[:, told_R], value_R[told_R]
    along_RK = left_NR.T @ off_NK
    best = min(
        (_judged(penalty, left_NR, value_R, along_RK, off_NK, share_N, y_N, mean_K) for penalty in PENALTIES),
        key=lambda found: found[0],
    )
    _, penalty, sureness = best
    dual_NK = left_NR @ (along_RK / (value_R + penalty)[:, None])
    weight_FK = gain_F[:, None] * (z_NF.T @ dual_NK)
    return Head(weight_FK, mean_K - mean_F @ weight_FK, penalty, sureness)


def _judged(
    penalty: float,
    left_NR: np.ndarray,
    value_R: np.ndarray,
    along_RK: np.ndarray,
    off_NK: np.ndarray,
    share_N: np.ndarray,
    y_N: np.ndarray | None,
    mean_K: np.ndarray,
) -> tuple[float, float, float]:
    """Return the error on rows that were left out, the penalty, and how sure scores should be."""
    shrink_R = value_R / (value_R + penalty)
    said_NK = left_NR @ (shrink_R[:, None] * along_RK)
    own_N = np.minimum((left_NR**2) @ shrink_R + share_N, 1 - 1e-9)
    root_N1 = np.maximum(np.sqrt(share_N * len(share_N)), SMALLEST)[:, None]
    error_NK = (off_NK - said_NK) / (1 - own_N)[:, None] / root_N1
    if y_N is None:
        return float(share_N @ (error_NK**2).sum(axis=1)), penalty, 1.0
    score_NK = off_NK / root_N1 + mean_K - error_NK
    losses = [(_log_loss(score_NK * sureness, y_N, share_N), sureness) for sureness in SURENESS]
    loss, sureness = min(losses)
    return loss, penalty, sureness


def _log_loss(score_NK: np.ndarray, y_N: np.ndarray, share_N: np.ndarray) -> float:
    from scipy.special import log_softmax

    return -float(share_N @ log_softmax(score_NK, axis=1)[np.arange(len(y_N)), y_N])
