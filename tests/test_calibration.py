"""Probabilities that are too sure, too timid or plainly wrong become ones that can be trusted on rows never seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from assay import catalog
from assay.evaluation.calibration import Calibrated, calibrated, losses
from assay.parts import Learned, Metric
from assay.vocabulary import Shelf

LOG_LOSS: Metric = catalog.make(Shelf.METRICS, "log_loss")
ROC_AUC: Metric = catalog.make(Shelf.METRICS, "roc_auc")


def rows(num_rows: int, num_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return log odds of the classes, and labels that follow them."""
    draw = np.random.default_rng(seed)
    score_NK = 1.5 * draw.normal(size=(num_rows, num_classes)) - np.arange(num_classes)
    return score_NK, (score_NK + draw.gumbel(size=score_NK.shape)).argmax(axis=1)


def learned(prediction_NK: np.ndarray, y_N: np.ndarray, asked: str = "auto", metric: Metric = LOG_LOSS) -> Calibrated:
    return calibrated(asked, prediction_NK.astype(np.float32), y_N, np.arange(len(y_N)) % 5, metric)


def apply(found: Calibrated, prediction_NK: np.ndarray) -> np.ndarray:
    assert found.calibration is not None
    return found.calibration.apply(prediction_NK)


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("sureness", [0.3, 3.0])
def test_members_that_are_too_sure_or_too_timid_are_right_on_fresh_rows(num_classes: int, sureness: float) -> None:
    score_NK, y_N = rows(3_000, num_classes)
    fresh_NK, fresh_N = rows(5_000, num_classes, seed=1)
    found = learned(softmax(sureness * score_NK, axis=1), y_N)
    said_NK = softmax(sureness * fresh_NK, axis=1)
    best = losses(softmax(fresh_NK, axis=1), fresh_N).mean()
    assert losses(said_NK, fresh_N).mean() > best + 0.1
    assert losses(apply(found, said_NK), fresh_N).mean() < best + 0.005


def test_the_score_that_is_told_is_that_of_fresh_rows() -> None:
    score_NK, y_N = rows(4_000)
    fresh_NK, fresh_N = rows(20_000, seed=1)
    found = learned(softmax(4 * score_NK, axis=1), y_N)
    assert found.log_loss_before > found.log_loss_after + 0.1
    fresh = losses(apply(found, softmax(4 * fresh_NK, axis=1)), fresh_N).mean()
    assert found.log_loss_after == pytest.approx(fresh, abs=0.02)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_probabilities_that_are_right_stay_as_they_are(num_classes: int) -> None:
    score_NK, y_N = rows(3_000, num_classes)
    found = learned(softmax(score_NK, axis=1), y_N)
    assert (found.method, found.log_loss_after) == ("none", found.log_loss_before)


def test_temperature_keeps_the_order_of_rows_and_so_roc_auc() -> None:
    score_NK, y_N = rows(3_000)
    said_NK = softmax(5 * score_NK, axis=1)
    trusted_NK = apply(learned(said_NK, y_N, "temperature"), said_NK)
    np.testing.assert_array_equal(np.argsort(trusted_NK[:, 1]), np.argsort(said_NK[:, 1]))
    assert ROC_AUC.score(y_N, trusted_NK) == ROC_AUC.score(y_N, said_NK)


def test_shuffled_labels_leave_nothing_but_the_share_of_the_classes() -> None:
    score_NK, y_N = rows(3_000)
    chance_N = np.random.default_rng(5).permutation(y_N)
    trusted_NK = apply(learned(softmax(3 * score_NK, axis=1), chance_N), softmax(3 * score_NK, axis=1))
    assert np.abs(trusted_NK[:, 1] - chance_N.mean()).max() < 0.06


@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_member_that_says_zero_and_is_wrong_does_not_cost_everything(num_classes: int) -> None:
    score_NK, y_N = rows(3_000, num_classes)
    said_NK = softmax(score_NK, axis=1)
    said_NK[np.arange(3_000) % 3 == 0] = np.eye(num_classes)[score_NK[::3].argmax(axis=1)]
    found = learned(said_NK, y_N)
    assert found.log_loss_after < losses(np.tile(np.bincount(y_N) / len(y_N), (len(y_N), 1)), y_N).mean()
    assert np.isfinite(apply(found, np.eye(num_classes))).all()


@pytest.mark.parametrize("num_classes", [2, 3])
def test_hard_votes_are_calibrated_below_the_log_loss_of_their_best_member(num_classes: int) -> None:
    score_NK, y_N = rows(4_000, num_classes)
    noise_MNK = np.random.default_rng(2).normal(size=(5, *score_NK.shape))
    said_MNK = softmax(2 * (score_NK + noise_MNK), axis=2)
    votes_NK = catalog.make(Shelf.ENSEMBLES, "vote", {"voting": "hard"}).combine(Learned(), said_MNK)
    best = min(losses(said_NK, y_N).mean() for said_NK in said_MNK)
    assert learned(votes_NK, y_N).log_loss_after < best


def test_classes_that_are_told_apart_without_a_fault_give_finite_numbers() -> None:
    y_N = np.arange(400) % 2
    found = learned(np.eye(2)[y_N] * 0.8 + 0.1, y_N, "temperature")
    assert apply(found, np.array([[0.9, 0.1]]))[0, 0] > 0.95
    assert np.isfinite(found.log_loss_after)


def test_a_curve_is_taken_where_there_are_rows_enough_and_a_slope_cannot_do() -> None:
    score_N = 2 * np.random.default_rng(3).normal(size=40_000)
    y_N = (np.random.default_rng(4).random(40_000) < expit(score_N)).astype(int)
    bent_N = np.where(score_N > 0, expit(3 * score_N), expit(0.2 * score_N))
    said_NK = np.column_stack([1 - bent_N, bent_N])
    assert learned(said_NK, y_N).method == "isotonic"
    assert learned(said_NK[:4_000], y_N[:4_000]).method == "temperature"
    assert learned(said_NK, y_N, metric=ROC_AUC).method == "temperature"  # a curve makes ties


@pytest.mark.parametrize("num_classes", [2, 4])
def test_curves_that_are_asked_for_give_probabilities(num_classes: int) -> None:
    score_NK, y_N = rows(2_000, num_classes)
    found = learned(softmax(4 * score_NK, axis=1), y_N, "isotonic")
    trusted_NK = apply(found, softmax(4 * rows(500, num_classes, seed=1)[0], axis=1))
    assert found.log_loss_after < found.log_loss_before
    np.testing.assert_allclose(trusted_NK.sum(axis=1), 1, atol=1e-12)
    assert (trusted_NK > 0).all()


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    score_NK, y_N = rows(500)
    assert learned(softmax(9 * score_NK, axis=1), y_N, "none").calibration is None
