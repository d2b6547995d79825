"""Promises of every algorithm on the shelf; a new file is held to them without a word here."""

from __future__ import annotations

import hashlib
import json
import runpy
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch
from assay.errors import SpecFault
from assay.parts import Algorithm, Fitted
from assay.spec.spaces import Choice, Distribution, Integer, LogUniform, Scalar
from assay.vocabulary import Shelf, Task

CONFTEST = Path(__file__).parent / "conftest.py"
tiny = runpy.run_path(str(CONFTEST))["tiny"]
METRIC = {Task.BINARY: "roc_auc", Task.MULTICLASS: "roc_auc", Task.REGRESSION: "rmse"}
SHOWN = (
    "tabular",
    "image",
    "text",
    "series",
)  # kinds of rows that are shown to algorithms, each the first that it is for
KEYS = [key for key in catalog.keys(Shelf.ALGORITHMS) if catalog.find(Shelf.ALGORITHMS, key).kinds & set(SHOWN)]
PAIRS = [(key, task) for key in KEYS for task in Task if task in catalog.find(Shelf.ALGORITHMS, key).tasks]
CLASSIFIERS = [(key, task) for key, task in PAIRS if task.is_classification]

every_algorithm = pytest.mark.parametrize("key", KEYS)
every_pair = pytest.mark.parametrize(("key", "task"), PAIRS)
every_classifier = pytest.mark.parametrize(("key", "task"), CLASSIFIERS)


def made(key: str) -> Algorithm:
    return catalog.make(Shelf.ALGORITHMS, key)


@cache
def rows(key: str, task: Task, seed: int = 0, num_rows: int = 160) -> Batch:
    kind = next(kind for kind in SHOWN if kind in made(key).kinds)
    return tiny(task, made(key).wants, seed, num_rows, kind)


@cache
def fitted(key: str, task: Task) -> Fitted:
    return made(key).fit(rows(key, task), seed=3)


@cache
def predicted(key: str, task: Task) -> np.ndarray:
    return fitted(key, task).predict(rows(key, task, seed=1))


def digest(prediction_NK: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(prediction_NK).tobytes()).hexdigest()


@cache
def other_process() -> dict[str, str]:
    """Return what another process predicts; one for all algorithms, since starting it takes seconds."""
    script = f"""
import json, runpy
contract = runpy.run_path({str(__file__)!r})
print(json.dumps({{f"{{key}} {{task}}": contract["digest"](contract["predicted"](key, task))
                  for key, task in contract["PAIRS"]}}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


@every_pair
def test_the_same_seed_predicts_the_same_bits_in_another_process(key: str, task: Task) -> None:
    assert digest(predicted(key, task)) == other_process()[f"{key} {task}"]


@every_pair
def test_a_prediction_is_one_finite_row_for_each_row(key: str, task: Task) -> None:
    prediction_NK = predicted(key, task)
    assert prediction_NK.shape == (160, max(1, rows(key, task).num_classes))
    assert np.isfinite(prediction_NK).all()


@every_classifier
def test_probabilities_are_not_negative_and_sum_to_one(key: str, task: Task) -> None:
    prediction_NK = predicted(key, task)
    assert prediction_NK.min() >= 0
    np.testing.assert_allclose(prediction_NK.sum(axis=1), 1, atol=1e-6)


@every_pair
def test_predictions_follow_the_order_of_the_rows(key: str, task: Task) -> None:
    order_N = np.random.default_rng(0).permutation(160)
    shuffled_NK = fitted(key, task).predict(rows(key, task, seed=1).take(order_N))
    np.testing.assert_allclose(shuffled_NK, predicted(key, task)[order_N], rtol=1e-5, atol=1e-6)


@every_pair
def test_no_rows_give_no_predictions(key: str, task: Task) -> None:
    nothing = rows(key, task).take(np.zeros(0, int))
    assert fitted(key, task).predict(nothing).shape == (0, max(1, nothing.num_classes))


@every_pair
def test_fitting_leaves_its_input_as_it_was(key: str, task: Task) -> None:
    fitted(key, task)
    fresh = rows.__wrapped__(key, task)
    for name, array in fresh.columns.items():
        np.testing.assert_array_equal(rows(key, task).columns[name], array)
    np.testing.assert_array_equal(rows(key, task).label_N, fresh.label_N)


@every_pair
def test_what_was_saved_predicts_the_same_bits(key: str, task: Task) -> None:
    loaded = made(key).load(fitted(key, task).files())
    assert digest(loaded.predict(rows(key, task, seed=1))) == digest(predicted(key, task))


@every_pair
def test_files_are_bytes_that_saving_again_repeats(key: str, task: Task) -> None:
    files = fitted(key, task).files()
    assert all(isinstance(content, bytes) for content in files.values())
    assert made(key).load(files).files().keys() == files.keys()


@every_pair
def test_it_learns_more_than_the_dummy(key: str, task: Task) -> None:
    metric, y_N = catalog.make(Shelf.METRICS, METRIC[task]), rows(key, task, seed=1).label_N
    gain = metric.gain(metric.score(y_N, predicted(key, task)))
    nothing_learned = metric.gain(metric.score(y_N, predicted("dummy", task)))
    assert gain == nothing_learned if key == "dummy" else gain > nothing_learned


@pytest.mark.parametrize("key", ["logistic_regression", "decision_tree", "lightgbm"])
def test_shuffled_labels_leave_nothing_to_learn(key: str) -> None:
    batch = rows(key, Task.BINARY, num_rows=1_000)
    shuffled = replace(batch, y_N=np.random.default_rng(0).permutation(batch.label_N))
    prediction_NK = made(key).fit(shuffled, seed=0).predict(rows(key, Task.BINARY, seed=1, num_rows=1_000))
    area = catalog.make(Shelf.METRICS, "roc_auc").score(np.random.default_rng(1).integers(0, 2, 1_000), prediction_NK)
    assert 0.42 < area < 0.58


@every_pair
def test_weights_are_used_or_refused_in_words(key: str, task: Task) -> None:
    batch = rows(key, task)
    heavy = replace(batch, weight_N=np.where(batch.label_N > np.median(batch.label_N), 20.0, 1.0))
    if not getattr(made(key), "weighable", True):
        with pytest.raises(SpecFault, match="weight"):
            made(key).fit(heavy, seed=3)
        return
    prediction_NK = made(key).fit(heavy, seed=3).predict(rows(key, task, seed=1))
    assert prediction_NK[:, -1].mean() > predicted(key, task)[:, -1].mean()


@every_algorithm
def test_a_class_without_training_rows_still_has_its_column(key: str) -> None:
    if Task.MULTICLASS not in made(key).tasks:
        return
    batch = rows(key, Task.MULTICLASS)
    prediction_NK = made(key).fit(batch.take(batch.label_N != 1), seed=0).predict(batch)
    assert prediction_NK.shape == (160, 3)
    assert prediction_NK[:, 1].mean() < 0.1
    np.testing.assert_allclose(prediction_NK.sum(axis=1), 1, atol=1e-6)


@every_classifier
def test_training_rows_of_one_class_predict_that_class(key: str, task: Task) -> None:
    batch = rows(key, task)
    prediction_NK = made(key).fit(batch.take(batch.label_N == 1), seed=0).predict(batch)
    assert (prediction_NK.argmax(axis=1) == 1).all()


@every_algorithm
def test_a_wrong_value_names_its_setting(key: str) -> None:
    for name in made(key).Params.model_fields:
        with pytest.raises(SpecFault, match=rf"{key}\.params\.{name}"):
            catalog.make(Shelf.ALGORITHMS, key, {name: {"no": {"such": "setting"}}})


@every_algorithm
def test_an_unknown_setting_is_refused(key: str) -> None:
    with pytest.raises(SpecFault, match="unknown setting 'learnin_rate'"):
        catalog.make(Shelf.ALGORITHMS, key, {"learnin_rate": 0.1})


@every_algorithm
def test_every_setting_is_described(key: str) -> None:
    assert all(setting.description for setting in made(key).Params.model_fields.values())


@every_algorithm
def test_the_portfolio_holds_valid_settings_and_starts_with_the_defaults(key: str) -> None:
    portfolio = made(key).portfolio
    assert portfolio[0] == {}
    for settings in portfolio:
        catalog.make(Shelf.ALGORITHMS, key, settings)


@every_algorithm
def test_whatever_the_space_draws_is_valid(key: str) -> None:
    for name, distribution in made(key).space.items():
        for value in ends(distribution):
            catalog.make(Shelf.ALGORITHMS, key, {name: value})


def ends(distribution: Distribution) -> tuple[Scalar, ...]:
    match distribution:
        case Choice(values):
            return values
        case Integer(low, high) | LogUniform(low, high):
            return low, high
    return distribution.low, distribution.high


@every_pair
def test_settling_gives_an_algorithm_that_fits(key: str, task: Task) -> None:
    last = made(key).settled([fitted(key, task).facts] * 3)
    assert type(last) is type(made(key))
    assert last.fit(rows(key, task), seed=0).predict(rows(key, task)).shape == predicted(key, task).shape


@every_algorithm
def test_its_cost_and_what_it_wants_are_stated(key: str) -> None:
    assert made(key).cost > 0
    assert made(key).wants in ("codes", "dense", "raw")
    assert made(key).row_cap is None or made(key).row_cap > 0


@every_algorithm
def test_more_rows_features_or_classes_never_cost_less(key: str) -> None:
    cost_of = made(key).cost_of
    assert 0 < cost_of(100, 5, 2) <= cost_of(10_000, 5, 2) <= cost_of(10_000, 100, 2) <= cost_of(10_000, 100, 30)
    assert 0 < cost_of(100, 5, 0) <= cost_of(10_000, 5, 0)
    assert cost_of(10_000, 20, 2) == pytest.approx(made(key).cost, rel=0.25)
