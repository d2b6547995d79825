"""A few rows at once: the bits of scikit-learn, sooner."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from assay import catalog
from assay.algorithms._forest_rows import MAX_ROWS
from assay.batch import Batch, from_matrix
from assay.parts import Fitted
from assay.vocabulary import Shelf

every_forest = pytest.mark.parametrize("key", ["random_forest", "extra_trees"])
every_task = pytest.mark.parametrize("num_classes", [0, 2, 3])


@cache
def table(num_classes: int, missing: bool = True) -> Batch:
    draw = np.random.default_rng(0)
    x_NF = draw.normal(size=(1_000, 5))
    signal_N = x_NF[:, 0] * x_NF[:, 1] + x_NF[:, 2]
    if missing:
        x_NF[draw.random(x_NF.shape) < 0.2] = np.nan
    y_N = np.digitize(signal_N, [0.0, 0.7][: num_classes - 1]) if num_classes else signal_N
    return from_matrix(x_NF, y_N, num_classes)


@cache
def fitted(key: str, num_classes: int, missing: bool = True) -> Fitted:
    model: Fitted = catalog.make(Shelf.ALGORITHMS, key, {"num_trees": 30}).fit(table(num_classes, missing), seed=0)
    return model


def by_sklearn(model: Fitted, batch: Batch) -> np.ndarray:
    estimator = model.estimator
    if batch.num_classes:
        return estimator.predict_proba(batch.matrix())
    return estimator.predict(batch.matrix())[:, None]


@every_forest
@every_task
@pytest.mark.parametrize("num_rows", [1, 2, MAX_ROWS])
def test_a_few_rows_are_predicted_with_the_bits_of_sklearn(key: str, num_classes: int, num_rows: int) -> None:
    for start in range(0, 1_000 - num_rows, 90):
        batch = table(num_classes).take(np.arange(start, start + num_rows))
        expected_NK = by_sklearn(fitted(key, num_classes), batch)
        assert fitted(key, num_classes).predict(batch).tobytes() == expected_NK.tobytes()


@every_forest
def test_a_missing_value_that_training_never_saw_goes_where_sklearn_sends_it(key: str) -> None:
    batch, model = table(2).take(np.arange(60)), fitted(key, 2, missing=False)
    assert model.predict(batch).tobytes() == by_sklearn(model, batch).tobytes()


@every_forest
def test_a_loaded_forest_predicts_a_few_rows_with_the_same_bits(key: str) -> None:
    batch, model = table(3).take(np.arange(7)), fitted(key, 3)
    loaded = catalog.make(Shelf.ALGORITHMS, key).load(model.files())
    assert loaded.predict(batch).tobytes() == model.predict(batch).tobytes()


@every_forest
def test_a_class_without_training_rows_has_its_column_in_a_few_rows_too(key: str) -> None:
    batch = table(3)
    model = catalog.make(Shelf.ALGORITHMS, key, {"num_trees": 5}).fit(batch.take(batch.label_N != 1), seed=0)
    assert model.predict(batch.take(np.arange(3)))[:, 1].tolist() == [0, 0, 0]
