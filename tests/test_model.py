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
from assay.model import Combination, Member, Model
from assay.partial import Piece, piece_of, wanted
from assay.parts import Learned
from assay.recipe import Recipe, StepState
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


@pytest.fixture(scope="module")
def pieces(model: Model) -> list[Piece]:
    """The model of two members in three pieces: each member alone, and what joins them."""
    content = model.files()
    holds = [lambda place: place == 0, lambda place: place == 1, lambda _: False]
    return [piece_of({name: data for name, data in content.items() if wanted(name, one)}, one) for one in holds]


def test_pieces_say_together_what_the_whole_says_to_the_bit(pieces: list[Piece], model: Model, table: pa.Table) -> None:
    batch = model.batch(table)
    said = pieces[0].said(batch) | pieces[1].said(batch)
    np.testing.assert_array_equal(pieces[2].joined(said, batch), model.predict(table))


def test_a_piece_has_no_member_but_its_own(pieces: list[Piece]) -> None:
    assert [[member.features for member in piece.model.members] for piece in pieces] == [[(0, 2)], [(1, 2)], []]
    assert [(piece.held, len(piece.names)) for piece in pieces] == [((0,), 2), ((1,), 2), ((), 2)]


def test_what_one_piece_says_is_enough(pieces: list[Piece], model: Model, table: pa.Table) -> None:
    batch = model.batch(table)
    np.testing.assert_array_equal(pieces[2].joined(pieces[1].said(batch), batch), pieces[1].said(batch)[1])


def test_fold_models_of_one_name_stand_in_for_each_other(model: Model, table: pa.Table) -> None:
    twins = tuple(replace(member, name="twin") for member in model.members)
    piece = piece_of(replace(model, members=twins, combination=None).files(), lambda _: False)
    batch = model.batch(table)
    only_NK = twins[0].predict(model.recipes["codes"].apply(batch))
    np.testing.assert_array_equal(piece.joined({0: only_NK}, batch), only_NK)


def test_a_piece_of_something_else_is_refused() -> None:
    for content in ({}, {"model.json": b"{"}, {"model.json": b"[]"}, {"model.json": b'{"members": [3]}'}):
        with pytest.raises(ArtifactFault, match=r"model\.json"):
            piece_of(content, lambda _: True)
