"""A finished model as named bytes: members that read some features only."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.errors import ArtifactFault
from assay.model import Combination, Member, Model, Recipe, StepState
from assay.parts import Learned
from assay.vocabulary import Shelf


@pytest.fixture(scope="module")
def table() -> pa.Table:
    x_NF = np.random.default_rng(0).normal(size=(60, 3))
    return pa.table({"a": x_NF[:, 0], "b": x_NF[:, 1], "c": x_NF[:, 2], "y": x_NF @ [1.0, 2.0, 3.0]})


@pytest.fixture(scope="module")
def model(table: pa.Table) -> Model:
    """Two regressions on two features each, averaged."""
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(table, np.arange(60), 0), "y", None, {}, None)
    recipe = Recipe((StepState("ordinal", {}, {}),))
    batch = recipe.apply(kind.to_batch(table, profile))
    members = tuple(
        Member("ridge", "ridge", {}, "codes", catalog.make(Shelf.ALGORITHMS, "ridge").fit(part, 0), features)
        for features in ((0, 2), (1, 2))
        for part in (batch.of_features(features),)
    )
    return Model("tabular", profile, {"codes": recipe}, members, Combination("subspace", {}, Learned()))


def changed(model: Model, change: Any) -> dict[str, bytes]:
    content = model.files()
    plain = json.loads(content["model.json"])
    change(plain)
    return {**content, "model.json": json.dumps(plain).encode()}


def test_members_read_their_own_features_before_and_after_their_files(model: Model, table: pa.Table) -> None:
    loaded = Model.from_files(model.files())
    assert [member.features for member in loaded.members] == [(0, 2), (1, 2)]
    np.testing.assert_array_equal(loaded.predict(table), model.predict(table))


def test_a_model_of_the_format_before_is_read(model: Model, table: pa.Table) -> None:
    def older(plain: Any) -> None:
        plain["format"] = 1
        for member in plain["members"]:
            del member["features"]

    whole = catalog.make(Shelf.ALGORITHMS, "ridge").fit(model.recipes["codes"].apply(model.batch(table)), 0)
    plain = replace(model, members=(replace(model.members[0], fitted=whole, features=None),), combination=None)
    np.testing.assert_array_equal(Model.from_files(changed(plain, older)).predict(table), plain.predict(table))


@pytest.mark.parametrize("features", [[], [-1], [2, 0], [0, 0], ["a"], 3, [0.0]])
def test_features_that_are_not_columns_in_order_are_refused(model: Model, features: Any) -> None:
    with pytest.raises(ArtifactFault, match=r"model\.json"):
        Model.from_files(changed(model, lambda plain: plain["members"][0].update(features=features)))


def test_a_newer_format_is_refused(model: Model) -> None:
    with pytest.raises(ArtifactFault, match="has format 99, this version reads 1 and 2"):
        Model.from_files(changed(model, lambda plain: plain.update(format=99)))
