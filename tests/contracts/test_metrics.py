"""Promises of every metric on the shelf; a new file is held to them without a word here."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay import catalog
from assay.parts import Metric
from assay.vocabulary import Shelf, Task

NUM_ROWS, NUM_RESAMPLES = 300, 20
NUM_CLASSES = {Task.BINARY: 2, Task.MULTICLASS: 4, Task.REGRESSION: 0}
KEYS = catalog.keys(Shelf.METRICS)
PAIRS = [(key, task) for key in KEYS for task in Task if task in catalog.find(Shelf.METRICS, key).tasks]
every_pair = pytest.mark.parametrize(("key", "task"), PAIRS)


def made(key: str) -> Metric:
    return catalog.make(Shelf.METRICS, key)


def truth(task: Task) -> np.ndarray:
    draw = np.random.default_rng(0)
    if task is Task.REGRESSION:
        return 1_000 + draw.normal(size=NUM_ROWS)
    share_K = np.array([6, 3, 1, 0.5])[: NUM_CLASSES[task]]
    return draw.choice(NUM_CLASSES[task], NUM_ROWS, p=share_K / share_K.sum())


def perfect(task: Task) -> np.ndarray:
    return truth(task)[:, None] if task is Task.REGRESSION else np.eye(NUM_CLASSES[task])[truth(task)]


def fair(task: Task, noise: float = 1.0) -> np.ndarray:
    """Return predictions that are partly right, with many ties among probabilities."""
    draw = np.random.default_rng(1)
    if task is Task.REGRESSION:
        return perfect(task) + noise * 0.5 * draw.normal(size=(NUM_ROWS, 1))
    score_NK = 1 + np.round(perfect(task) + noise * draw.exponential(size=(NUM_ROWS, NUM_CLASSES[task])), 1)
    return (score_NK / score_NK.sum(axis=1, keepdims=True)).astype(np.float32)


def counts() -> np.ndarray:
    draw = np.random.default_rng(2)
    return np.array(
        [np.bincount(draw.integers(0, NUM_ROWS, NUM_ROWS), minlength=NUM_ROWS) for _ in range(NUM_RESAMPLES)]
    )


@every_pair
def test_a_perfect_prediction_scores_the_best(key: str, task: Task) -> None:
    assert made(key).score(truth(task), perfect(task)) == pytest.approx(made(key).best, abs=1e-12)


@every_pair
def test_a_worse_prediction_gains_less(key: str, task: Task) -> None:
    metric = made(key)
    good, bad = (metric.score(truth(task), fair(task, noise)) for noise in (0.3, 3.0))
    assert metric.gain(metric.best) > metric.gain(good) > metric.gain(bad)


@every_pair
def test_resampling_equals_scoring_with_counts(key: str, task: Task) -> None:
    expected_B = [made(key).score(truth(task), fair(task), count_N) for count_N in counts()]
    np.testing.assert_allclose(made(key).resampled(truth(task), fair(task), counts()), expected_B, rtol=1e-9)


@every_pair
def test_a_count_is_as_good_as_repeating_the_row(key: str, task: Task) -> None:
    count_N = counts()[0]
    repeated = made(key).score(np.repeat(truth(task), count_N), np.repeat(fair(task), count_N, axis=0))
    assert made(key).score(truth(task), fair(task), count_N) == pytest.approx(repeated, rel=1e-9)


@every_pair
def test_the_order_of_rows_does_not_matter(key: str, task: Task) -> None:
    order_N = np.random.default_rng(3).permutation(NUM_ROWS)
    turned = made(key).score(truth(task)[order_N], fair(task)[order_N])
    assert turned == pytest.approx(made(key).score(truth(task), fair(task)), rel=1e-12)


@every_pair
@pytest.mark.filterwarnings("error")
def test_weights_that_leave_one_class_give_a_score_or_nan(key: str, task: Task) -> None:
    y_N = truth(task)
    count_N = (y_N == y_N.min()).astype(float)
    alone, (resampled,) = made(key).score(y_N, fair(task), count_N), made(key).resampled(y_N, fair(task), count_N[None])
    assert (math.isnan(alone) and math.isnan(resampled)) or alone == pytest.approx(resampled, rel=1e-9)


@every_pair
@pytest.mark.filterwarnings("error")
def test_no_weight_at_all_gives_nan(key: str, task: Task) -> None:
    nothing_N = np.zeros(NUM_ROWS)
    assert math.isnan(made(key).score(truth(task), fair(task), nothing_N))
    assert np.isnan(made(key).resampled(truth(task), fair(task), nothing_N[None])).all()


@pytest.mark.parametrize("key", ["roc_auc", "average_precision"])
def test_a_ranking_without_positives_has_no_score(key: str) -> None:
    assert math.isnan(made(key).score(np.zeros(10, int), np.full((10, 2), 0.5)))


def test_roc_auc_of_many_classes_is_one_against_the_rest() -> None:
    from sklearn.metrics import roc_auc_score

    y_N, prediction_NK = truth(Task.MULTICLASS), fair(Task.MULTICLASS).astype(float)
    prediction_NK /= prediction_NK.sum(axis=1, keepdims=True)
    expected = roc_auc_score(y_N, prediction_NK, multi_class="ovr")
    assert made("roc_auc").score(y_N, prediction_NK) == pytest.approx(expected, rel=1e-9)


def test_roc_auc_leaves_out_a_class_that_does_not_occur() -> None:
    y_N, prediction_NK = truth(Task.MULTICLASS), fair(Task.MULTICLASS)
    present_N = y_N != 3
    assert 0.5 < made("roc_auc").score(y_N[present_N], prediction_NK[present_N]) < 1


@pytest.mark.parametrize("key", [key for key in KEYS if made(key).of_decisions])
def test_a_metric_of_decisions_looks_at_the_most_probable_class_alone(key: str) -> None:
    sure_NK = np.eye(4)[fair(Task.MULTICLASS).argmax(axis=1)]
    expected = made(key).score(truth(Task.MULTICLASS), sure_NK)
    assert made(key).score(truth(Task.MULTICLASS), fair(Task.MULTICLASS)) == expected
