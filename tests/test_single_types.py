"""Tables whose columns are all of one type: a matrix and the list of its features agree."""

from __future__ import annotations

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch, Column
from assay.engines.trial import fit_capped
from assay.vocabulary import ColumnKind, Shelf

N = 60


def codes() -> Batch:
    code_N = (np.arange(N) % 25).astype(np.int32)
    columns = {"town": code_N, "colour": (np.arange(N) % 3).astype(np.int32)}
    meaning = {"town": Column(ColumnKind.CATEGORY, 25), "colour": Column(ColumnKind.CATEGORY, 3)}
    return Batch(columns, meaning, np.arange(N), (np.arange(N) % 3 == 0).astype(np.int64), num_classes=2)


KINDS = {
    "numbers": {"a": (np.linspace(0, 1, N), ColumnKind.NUMERIC), "b": (np.ones(N), ColumnKind.NUMERIC)},
    "booleans": {"a": (np.arange(N) % 2 * 1.0, ColumnKind.BOOLEAN)},
    "one category": {"a": ((np.arange(N) % 3).astype(np.int32), ColumnKind.CATEGORY)},
    "one wide column": {"a": (np.ones((N, 3), np.float32), ColumnKind.NUMERIC)},
    "nothing": {},
}


@pytest.mark.parametrize("name", KINDS)
def test_each_column_of_the_matrix_has_a_feature(name: str) -> None:
    columns = {key: array for key, (array, _) in KINDS[name].items()}
    meaning = {key: Column(kind, 3 if kind is ColumnKind.CATEGORY else 0) for key, (_, kind) in KINDS[name].items()}
    batch = Batch(columns, meaning, np.arange(N))
    for one in (batch, batch.packed(), batch.packed().packed()):
        assert len(one.features) == one.matrix().shape[1]


def test_each_feature_is_named_when_every_category_waits_for_a_step() -> None:
    batch = codes()
    apart = batch.packed(apart=["town", "colour"])
    joined = apart.packed()
    assert [feature.name for feature in joined.features] == ["town", "colour"]
    assert joined.matrix().shape[1] == 2
    assert [feature.num_levels for feature in joined.of_features([1]).features] == [3]


@pytest.mark.parametrize("key", ["catboost", "lightgbm"])
def test_categories_alone_are_learned(key: str) -> None:
    settings = {"num_trees": 40} | ({"native_levels": 30, "min_child_samples": 2} if key == "lightgbm" else {})
    fitted, _ = fit_capped(catalog.make(Shelf.ALGORITHMS, key, settings), codes().packed(apart=["town"]).packed(), 0, 1)
    said_NK = fitted.predict(codes().packed(apart=["town"]).packed())
    assert ((said_NK[:, 1] > 0.5) == (np.arange(N) % 3 == 0)).all()
