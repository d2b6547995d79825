"""XGBoost and CatBoost: what their files may hold, that their arrays say what the libraries say, and when to stop."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from safetensors.numpy import load, save

from assay import catalog
from assay.algorithms._arrays import Shape
from assay.algorithms._catboost_trees import pool_of, spread, trees_of
from assay.algorithms.catboost import CatBoost
from assay.algorithms.xgboost import XGBoost
from assay.batch import Batch, Column, from_matrix
from assay.errors import ArtifactFault
from assay.parts import Algorithm, Files, Fitted
from assay.vocabulary import ColumnKind, Shelf, Task
from assay.workflows.choices import _hindrance

FEW = {"num_trees": 6, "early_stopping_rounds": 0}
TREES = "trees.safetensors"
BOTH = pytest.mark.parametrize("key", ["xgboost", "catboost"])


def table(num_classes: int = 3, num_rows: int = 1_500) -> Batch:
    draw = np.random.default_rng(0)
    x_N, code_N = draw.normal(size=num_rows), draw.integers(-1, 40, num_rows).astype(np.float32)
    signal_N = x_N + 2 * (code_N % 3) + 0.1 * draw.normal(size=num_rows)
    x_N[draw.random(num_rows) < 0.1] = np.nan
    code_N[code_N < 0] = np.nan
    y_N = np.digitize(signal_N, np.quantile(signal_N, [0.4, 0.7][: num_classes - 1])) if num_classes else signal_N
    meaning = {"x": Column(ColumnKind.NUMERIC), "c": Column(ColumnKind.CATEGORY, num_levels=40)}
    return Batch({"x": x_N, "c": code_N}, meaning, np.arange(num_rows), y_N, num_classes=num_classes).packed()


def algorithm(key: str, **params: object) -> Algorithm:
    made: Algorithm = catalog.make(Shelf.ALGORITHMS, key, params)
    return made


@cache
def fitted(key: str, num_classes: int = 3) -> Fitted:
    return algorithm(key, **FEW).fit(table(num_classes), seed=0)


def arrays(key: str) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in load(fitted(key).files()[TREES]).items()}


def with_number(key: str, name: str, place: int | tuple[int, ...], number: float) -> Files:
    """Return files in which one number of one array is another."""
    changed = arrays(key)
    changed[name][place] = number
    return {**fitted(key).files(), TREES: save(changed)}


def with_array(key: str, name: str, array: np.ndarray) -> Files:
    return {**fitted(key).files(), TREES: save({**arrays(key), name: array})}


def with_shape(key: str, **changes: object) -> Files:
    files = fitted(key).files()
    return {**files, "shape.json": json.dumps({**json.loads(files["shape.json"]), **changes}).encode()}


def chain(num_nodes: int) -> Files:
    """Return XGBoost's files of one tree whose every split hangs below the one before."""
    split_S = np.arange(num_nodes) % 2 == 0
    split_S[-1] = False
    number_S = np.arange(num_nodes, dtype=np.int32)
    return {
        **with_shape("xgboost", num_classes=0),
        TREES: save(
            {
                **{name: array[:num_nodes] for name, array in arrays("xgboost").items()},
                "size_T": np.array([num_nodes], np.int32),
                "left_S": np.where(split_S, number_S + 1, -1).astype(np.int32),
                "right_S": np.where(split_S, number_S + 2, -1).astype(np.int32),
                "feature_S": np.zeros(num_nodes, np.int32),
                "value_S": np.zeros(num_nodes, np.float32),
                "default_left_S": np.zeros(num_nodes, np.uint8),
                "base_K": np.zeros(1, np.float32),
            }
        ),
    }


SHARED = {
    "no trees at all": lambda key: {"shape.json": fitted(key).files()["shape.json"]},
    "no shape": lambda key: {TREES: fitted(key).files()[TREES]},
    "a truncated file": lambda key: {**fitted(key).files(), TREES: fitted(key).files()[TREES][:-40]},
    "a pickle": lambda key: {**fitted(key).files(), TREES: b"\x80\x04."},
    "a shape nested without end": lambda key: {**fitted(key).files(), "shape.json": b"[" * 100_000},
    "an unknown array": lambda key: with_array(key, "code", np.zeros(1)),
    "an unknown word": lambda key: with_shape(key, code="import os"),
    "more classes than outputs": lambda key: with_shape(key, num_classes=4),
    "a billion classes": lambda key: with_shape(key, num_classes=10**9),
    "one class": lambda key: with_shape(key, num_classes=1),
    "fewer features than are asked about": lambda key: with_shape(key, num_features=1),
    "features without bound": lambda key: with_shape(key, num_features=10**12),
}
XGBOOST = {
    "a node that is not there": lambda: with_number("xgboost", "left_S", 0, 10**6),
    "a node far outside": lambda: with_number("xgboost", "right_S", 0, 2**31 - 1),
    "a negative node": lambda: with_number("xgboost", "left_S", 0, -2),
    "a cycle to the root": lambda: with_number("xgboost", "left_S", 1, 0),
    "a node that is its own child": lambda: with_number("xgboost", "left_S", 1, 1),
    "a node with two parents": lambda: with_number("xgboost", "left_S", 1, 2),
    "a split made a leaf": lambda: with_number("xgboost", "left_S", 0, -1),
    "a feature that is not there": lambda: with_number("xgboost", "feature_S", 0, 2),
    "a negative feature": lambda: with_number("xgboost", "feature_S", 0, -1),
    "a value that is not finite": lambda: with_number("xgboost", "value_S", 0, np.nan),
    "a direction that is neither": lambda: with_number("xgboost", "default_left_S", 0, 2),
    "a larger tree": lambda: with_number("xgboost", "size_T", 0, 10**9),
    "a tree of negative size": lambda: with_number("xgboost", "size_T", 0, -1),
    "nodes as other numbers": lambda: with_array("xgboost", "left_S", arrays("xgboost")["left_S"].astype(np.int64)),
    "a missing node": lambda: with_array("xgboost", "right_S", arrays("xgboost")["right_S"][:-1]),
    "no base": lambda: with_array("xgboost", "base_K", np.zeros(0, np.float32)),
    "no offset": lambda: with_array("xgboost", "offset_1", np.zeros(0)),
    "a tree as deep as a well": lambda: chain(2_001),
}
CATBOOST = {
    "a feature that is not there": lambda: with_number("catboost", "feature_Q", 0, 2),
    "a negative feature": lambda: with_number("catboost", "feature_Q", 0, -1),
    "a question that is not there": lambda: with_number("catboost", "question_TD", (0, 0), 10**6),
    "a negative question": lambda: with_number("catboost", "question_TD", (0, 0), -1),
    "more codes than answers": lambda: with_number("catboost", "size_Q", 0, 10**6),
    "negative codes": lambda: with_number("catboost", "size_Q", 0, -5),
    "an answer that is neither": lambda: with_number("catboost", "yes_L", 0, 2),
    "a value that is not finite": lambda: with_number("catboost", "value_TLK", (0, 0, 0), np.inf),
    "values of too few leaves": lambda: with_array("catboost", "value_TLK", arrays("catboost")["value_TLK"][:, :-1]),
    "values of too few trees": lambda: with_array("catboost", "value_TLK", arrays("catboost")["value_TLK"][:-1]),
    "a depth without bound": lambda: with_array("catboost", "question_TD", np.zeros((6, 60), np.int32)),
    "too few borders": lambda: with_array("catboost", "border_Q", arrays("catboost")["border_Q"][:-1]),
}


@BOTH
@pytest.mark.parametrize("name", SHARED)
def test_a_broken_file_is_refused(key: str, name: str) -> None:
    with pytest.raises(ArtifactFault):
        algorithm(key).load(SHARED[name](key))


@pytest.mark.parametrize("name", XGBOOST)
def test_trees_of_xgboost_that_point_outside_themselves_are_refused(name: str) -> None:
    with pytest.raises(ArtifactFault, match=r"trees\.safetensors"):
        XGBoost().load(XGBOOST[name]())


@pytest.mark.parametrize("name", CATBOOST)
def test_trees_of_catboost_that_do_not_fit_together_are_refused(name: str) -> None:
    with pytest.raises(ArtifactFault, match=r"trees\.safetensors"):
        CatBoost().load(CATBOOST[name]())


def test_a_deep_tree_within_bounds_is_read() -> None:
    assert XGBoost().load(chain(201)).predict(table())[0, 0] == 0


@BOTH
@pytest.mark.parametrize("num_classes", [0, 2, 3])
def test_what_was_saved_predicts_the_same_bits(key: str, num_classes: int) -> None:
    model, batch = fitted(key, num_classes), table(num_classes)
    np.testing.assert_array_equal(algorithm(key).load(model.files()).predict(batch), model.predict(batch))


@BOTH
@pytest.mark.parametrize("num_classes", [0, 2, 3])
def test_a_row_alone_is_predicted_as_among_others(key: str, num_classes: int) -> None:
    model, batch = fitted(key, num_classes), table(num_classes)
    alone_NK = np.concatenate([model.predict(batch.take(np.array([row]))) for row in range(20)])
    np.testing.assert_array_equal(alone_NK, model.predict(batch)[:20])


@pytest.mark.parametrize("num_classes", [0, 2, 3])
@pytest.mark.parametrize("one_hot_levels", [2, 50])
def test_arrays_say_what_catboost_says(num_classes: int, one_hot_levels: int) -> None:
    x_NF, y_N, category_F = table(num_classes).matrix(), table(num_classes).label_N, np.array([False, True])
    part = CatBoost(CatBoost.Params(num_trees=30, one_hot_levels=one_hot_levels))
    booster = part._booster(table(num_classes), np.zeros(len(x_NF), bool), seed=0, threads=1)
    booster.fit(pool_of(x_NF, category_F, y_N, None))
    shape = Shape(num_features=2, num_classes=num_classes)
    trees = spread(
        trees_of(booster, category_F, [0, 40]), shape, np.arange(max(1, num_classes) - (num_classes == 2)), 0
    )
    said = booster.predict(pool_of(x_NF, category_F, None, None), "RawFormulaVal")
    np.testing.assert_allclose(trees.raw(x_NF), said.reshape(len(x_NF), -1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("key", ["lightgbm", "xgboost", "catboost"])
def test_the_only_row_of_a_class_is_learned_from(key: str) -> None:
    batch = table(2, 300)
    for row in range(0, 300, 7):
        alone = replace(batch, y_N=np.where(np.arange(300) == row, 2, batch.label_N), num_classes=3)
        algorithm(key, num_trees=1).fit(alone, seed=row)


@BOTH
def test_a_level_that_was_never_seen_is_predicted(key: str) -> None:
    batch = table()
    unseen = np.column_stack([batch.matrix()[:5, 0], np.full(5, 40.0)])
    assert np.isfinite(fitted(key).predict(Batch({"x": unseen}, batch.meaning, np.arange(5), num_classes=3))).all()


@BOTH
def test_it_stops_when_the_inner_slice_gains_no_more(key: str) -> None:
    fitted = algorithm(key, num_trees=3_000, early_stopping_rounds=10, learning_rate=0.2).fit(table(2), seed=0)
    assert 1 <= fitted.facts["num_trees"] < 1_000


@BOTH
def test_the_last_fit_grows_the_trees_that_the_folds_found_and_a_share_more(key: str) -> None:
    last = algorithm(key, inner_fraction=0.2).settled([{"num_trees": 90.0}, {"num_trees": 110.0}])
    assert (last.params.num_trees, last.params.early_stopping_rounds) == (125, 0)


@BOTH
@pytest.mark.parametrize("num_classes", [0, 3])
def test_threads_do_not_change_a_bit(key: str, num_classes: int) -> None:
    part = algorithm(key, num_trees=20)
    one, two = (part.fit(table(num_classes, 4_000), seed=0, threads=threads).files() for threads in (1, 2))
    assert one == two


@pytest.mark.parametrize("key", ["lightgbm", "xgboost", "catboost"])
def test_many_classes_take_larger_steps_and_wait_less(key: str) -> None:
    few, many = (algorithm(key, learning_rate=0.1, early_stopping_rounds=40).paced(classes) for classes in (2, 16))
    assert (few.learning_rate, few.early_stopping_rounds) == (0.1, 40)
    assert (many.learning_rate, many.early_stopping_rounds) == (0.2, 20)


def test_an_algorithm_whose_package_is_missing_says_how_to_get_it() -> None:
    class Missing(XGBoost):
        optional = "no_such_package"

    assert _hindrance(XGBoost, Task.BINARY, "tabular") is None
    assert _hindrance(Missing, Task.BINARY, "tabular") == (
        "needs the package no_such_package",
        "pip install 'assay[boosters]', or leave it out",
    )


@BOTH
def test_a_label_far_from_zero_keeps_its_digits(key: str) -> None:
    batch = table(0)
    far = Batch(batch.columns, batch.meaning, batch.row_N, batch.label_N + 2e9).packed()
    error_N = algorithm(key).fit(far, seed=0).predict(far)[:, 0] - far.label_N
    assert error_N.std() < 0.5 * far.label_N.std()


def test_a_tree_without_a_question_is_read() -> None:
    batch = from_matrix(np.arange(40.0)[:, None], np.arange(40.0))
    blind = CatBoost(CatBoost.Params(feature_fraction=0.01)).fit(batch, seed=0)
    assert np.ptp(blind.predict(batch)) < 0.1 * np.ptp(batch.label_N)


@pytest.mark.parametrize("num_rows", [2, 3, 5, 9])
def test_a_handful_of_rows_is_learned_from(num_rows: int) -> None:
    batch = from_matrix(np.arange(num_rows * 1.0)[:, None], np.arange(num_rows) % 2, 2)
    assert CatBoost().fit(batch, seed=0).predict(batch).shape == (num_rows, 2)


def test_features_that_never_vary_predict_the_mean() -> None:
    constant = Batch(
        {"x": np.zeros((60, 1))}, {"x": Column(ColumnKind.NUMERIC, features=("x",))}, np.arange(60), np.arange(60.0)
    )
    assert CatBoost().fit(constant, seed=0).predict(constant)[0, 0] == pytest.approx(29.5)
