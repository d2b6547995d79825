"""Promises of every step on the shelf; a new file is held to them without a word here."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch, Column
from assay.errors import SpecFault
from assay.parts import Json, Step
from assay.vocabulary import MISSING_CODE, ColumnKind, Shelf

NUM_ROWS, NUM_LEVELS, NUM_TOWNS = 90, 4, 25
NOT_A_TIME = np.iinfo(np.int64).min
WIDE = tuple(f"wide {place}" for place in range(40))
KEYS = catalog.keys(Shelf.STEPS)
every_step = pytest.mark.parametrize("key", KEYS)


def made(key: str) -> Step:
    return catalog.make(Shelf.STEPS, key)


def raw() -> Batch:
    """Return read-only columns of every kind, each with missing values.

    The first 30 rows of `n` are all missing, as a block of a file may be.
    """
    draw = np.random.default_rng(0)
    missing_N = draw.random(NUM_ROWS) < 0.2
    missing_N[:3] = True
    number_N = np.where(missing_N | (np.arange(NUM_ROWS) < 30), np.nan, draw.normal(50, 9, NUM_ROWS))
    pair_ND = np.where(missing_N[:, None], np.nan, draw.normal(size=(NUM_ROWS, 2)))
    tail_N = np.where(missing_N, np.nan, np.exp(draw.normal(0, 2, NUM_ROWS)))
    flag_N = np.where(missing_N, np.nan, draw.integers(0, 2, NUM_ROWS)).astype(np.float64)
    code_N = np.where(missing_N, MISSING_CODE, draw.integers(0, NUM_LEVELS, NUM_ROWS)).astype(np.int32)
    time_N = np.where(missing_N, NOT_A_TIME, draw.integers(-(10**16), 10**16, NUM_ROWS))
    words = np.array(["good film", "a bad film indeed", "", "ünïcode ☃"], dtype=object)
    town_N = np.where(missing_N, MISSING_CODE, draw.integers(0, NUM_TOWNS, NUM_ROWS)).astype(np.int32)
    name_N = np.array(
        [*(f"{['old', 'new', 'north'][place % 3]} town {place}" for place in range(NUM_TOWNS)), ""], object
    )
    kinds = {
        "n": (number_N, Column(ColumnKind.NUMERIC)),
        "pair": (pair_ND, Column(ColumnKind.NUMERIC, features=("left", "right"))),
        "tail": (tail_N, Column(ColumnKind.NUMERIC)),
        "flag": (flag_N, Column(ColumnKind.BOOLEAN)),
        "plan": (code_N, Column(ColumnKind.CATEGORY, NUM_LEVELS)),
        "town": (town_N, Column(ColumnKind.CATEGORY, NUM_TOWNS)),
        "town as text": (name_N[town_N], Column(ColumnKind.TEXT, view_of="town")),
        "sold": (time_N, Column(ColumnKind.DATETIME)),
        "said": (words[draw.integers(0, 4, NUM_ROWS)], Column(ColumnKind.TEXT)),
        "wide": (draw.normal(size=(NUM_ROWS, 40)), Column(ColumnKind.NUMERIC, features=WIDE)),
        "picture": (draw.integers(0, 256, (NUM_ROWS, 8, 6, 3), np.uint8), Column(ColumnKind.IMAGE)),
        **series(draw),
    }
    for array, _ in kinds.values():
        array.setflags(write=False)
    columns = {name: array for name, (array, _) in kinds.items()}
    meaning = {name: column for name, (_, column) in kinds.items()}
    return Batch(columns, meaning, np.arange(NUM_ROWS), np.arange(NUM_ROWS) % 2, num_classes=2)


def series(draw: np.random.Generator) -> dict[str, tuple[np.ndarray, Column]]:
    """Return sound, its spectrogram, and short series of three channels; the ends of most rows are empty."""
    sound_NTC = draw.normal(size=(NUM_ROWS, 1_200, 1)).astype(np.float32)
    heard_NTC = draw.normal(size=(NUM_ROWS, 12, 6)).astype(np.float32)
    walk_NTC = draw.normal(size=(NUM_ROWS, 9, 3)).astype(np.float32)
    for x_NTC in (sound_NTC, heard_NTC, walk_NTC):
        length_N = draw.integers(2, x_NTC.shape[1] + 1, NUM_ROWS)
        x_NTC[np.arange(x_NTC.shape[1]) >= length_N[:, None]] = np.nan
    bands = Column(ColumnKind.SERIES, features=tuple(f"mel band {band}" for band in range(6)))
    walk = Column(ColumnKind.SERIES)
    return {"sound": (sound_NTC, walk), "heard": (heard_NTC, bands), "walk": (walk_NTC, walk)}


def learned(key: str) -> Json:
    return made(key).finish(made(key).merge([made(key).measure(raw())]))


def applied(key: str, batch: Batch | None = None) -> Batch:
    return made(key).apply(learned(key), raw() if batch is None else batch)


def same(left: Batch, right: Batch, tolerance: float = 0.0) -> None:
    assert left.meaning == right.meaning
    assert list(left.columns) == list(right.columns)
    for name, array in left.columns.items():
        assert array.dtype == right.columns[name].dtype
        if array.dtype == object:
            assert array.tolist() == right.columns[name].tolist()
        else:
            np.testing.assert_allclose(array, right.columns[name], rtol=tolerance, atol=tolerance, err_msg=name)


def digest(key: str) -> str:
    content = hashlib.sha256()
    for name, array in applied(key).columns.items():
        content.update(name.encode() + (repr(array.tolist()).encode() if array.dtype == object else array.tobytes()))
    return content.hexdigest()


@cache
def other_process() -> dict[str, str]:
    script = f"""
import json, runpy
contract = runpy.run_path({str(__file__)!r})
print(json.dumps({{key: contract["digest"](key) for key in contract["KEYS"]}}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


@every_step
def test_it_gives_the_same_bits_in_another_process(key: str) -> None:
    assert digest(key) == other_process()[key]


@every_step
@pytest.mark.parametrize("cuts", [[30], [1, 30, 31], [30, 60, 61]])
def test_measuring_blocks_and_merging_equals_measuring_all(key: str, cuts: list[int]) -> None:
    blocks = [raw().take(index_n) for index_n in np.split(np.arange(NUM_ROWS), cuts)]
    merged = made(key).finish(made(key).merge([made(key).measure(block) for block in blocks]))
    same(made(key).apply(merged, raw()), applied(key), tolerance=1e-6)


@every_step
def test_states_of_blocks_merge_in_any_grouping(key: str) -> None:
    step = made(key)
    one, two, three = (step.measure(raw().take(index_n)) for index_n in np.split(np.arange(NUM_ROWS), [30, 55]))
    left = step.merge([step.merge([one, two]), three])
    right = step.merge([one, step.merge([two, three])])
    same(step.apply(step.finish(left), raw()), step.apply(step.finish(right), raw()), tolerance=1e-6)


@every_step
def test_what_it_learned_survives_json_in_any_order_of_names(key: str) -> None:
    measured = json.loads(json.dumps(made(key).measure(raw()), allow_nan=False))
    state = json.loads(json.dumps(made(key).finish(measured), allow_nan=False, sort_keys=True))
    backwards = {name: state[name] for name in reversed(state)}
    same(made(key).apply(backwards, raw()), applied(key))
    same(made(key).apply(state, raw()), applied(key))


@every_step
def test_applying_to_some_rows_gives_those_rows_of_applying_to_all(key: str) -> None:
    order_n = np.random.default_rng(1).permutation(NUM_ROWS)[:17]
    same(applied(key, raw().take(order_n)), applied(key).take(order_n))


@every_step
def test_applying_to_no_rows_gives_no_rows(key: str) -> None:
    nothing = np.zeros(0, int)
    same(applied(key, raw().take(nothing)), applied(key).take(nothing))


@every_step
def test_applying_leaves_its_input_as_it_was(key: str) -> None:
    batch = raw()  # read-only: writing into it raises
    made(key).learn(batch, seed=0)
    same(batch, raw())


@every_step
def test_other_columns_rows_and_label_pass_through(key: str) -> None:
    batch, found = raw(), applied(key)
    for name, column in batch.meaning.items():
        if name not in made(key).columns(batch):
            assert found.meaning[name] == column
            np.testing.assert_array_equal(found.columns[name], batch.columns[name])
    np.testing.assert_array_equal(found.row_N, batch.row_N)
    np.testing.assert_array_equal(found.label_N, batch.label_N)


@every_step
def test_every_column_has_as_many_features_as_it_says(key: str) -> None:
    found = applied(key)
    plain = {name: array for name, array in found.columns.items() if array.ndim <= 2}
    for name, array in plain.items():
        assert array.shape[1:] == ((len(found.meaning[name].features),) if array.ndim == 2 else ())
    names = [feature.name for feature in found.features]
    assert len(names) == len(set(names))


@every_step
def test_a_level_unseen_in_training_leaves_the_other_rows_as_they_were(key: str) -> None:
    code_N = raw().columns["plan"].copy()
    code_N[7] = NUM_LEVELS
    found = applied(key, raw().with_columns({"plan": code_N}, {}))
    others_n = np.delete(np.arange(NUM_ROWS), 7)
    same(found.take(others_n), applied(key).take(others_n))


@every_step
def test_which_columns_it_changes_is_told_without_looking_at_a_value(key: str) -> None:
    nothing = raw().take(np.zeros(0, int))
    assert made(key).columns(replace(nothing, y_N=None)) == made(key).columns(raw())


@every_step
def test_it_looks_at_the_label_only_if_it_says_so(key: str) -> None:
    mirrored = replace(raw(), y_N=1 - raw().label_N)
    assert made(key).looks_at_label == (made(key).measure(mirrored) != made(key).measure(raw()))


@every_step
def test_learning_gives_what_apply_reads_and_the_rows_in_the_same_columns(key: str) -> None:
    state, changed = made(key).learn(raw(), seed=0)
    assert json.dumps(state) == json.dumps(learned(key))
    assert changed.meaning == applied(key).meaning
    if not made(key).looks_at_label:
        same(changed, applied(key))


@every_step
def test_one_row_without_a_single_value_is_changed_like_any_other(key: str) -> None:
    empty = {"n": np.nan, "tail": np.nan, "flag": np.nan, "plan": MISSING_CODE, "town": NUM_TOWNS, "sold": NOT_A_TIME}
    columns = {name: np.array([value], raw().columns[name].dtype) for name, value in empty.items()}
    texts = {name: np.array([""], object) for name in ("said", "town as text")}
    row = raw().take(np.array([0])).with_columns({**columns, **texts}, {})
    assert applied(key, row).meaning == applied(key).meaning


@every_step
def test_an_unknown_setting_is_refused_by_name(key: str) -> None:
    with pytest.raises(SpecFault, match=rf"{key}\.params\.num_bnis: unknown setting 'num_bnis'"):
        catalog.make(Shelf.STEPS, key, {"num_bnis": 3})


@every_step
def test_a_wrong_value_names_its_setting(key: str) -> None:
    for name in made(key).Params.model_fields:
        with pytest.raises(SpecFault, match=rf"{key}\.params\.{name}: got"):
            catalog.make(Shelf.STEPS, key, {name: {"no": "setting"}})


@every_step
def test_every_setting_is_described(key: str) -> None:
    assert all(setting.description for setting in made(key).Params.model_fields.values())


def test_imputing_leaves_nothing_missing_even_where_training_had_no_gap() -> None:
    number_N = np.array([1.0, 3.0])
    whole = Batch({"n": number_N}, {"n": Column(ColumnKind.NUMERIC)}, np.arange(2))
    state = made("impute").measure(whole)
    gap = Batch({"n": np.array([np.nan])}, whole.meaning, np.arange(1))
    assert made("impute").apply(state, gap).columns["n"].tolist() == [2.0]
    assert list(made("impute").apply(state, gap).columns) == ["n"]


def test_scaled_numbers_are_cut_at_the_limit() -> None:
    step = catalog.make(Shelf.STEPS, "scale", {"limit": 2.0})
    usual = Batch({"n": np.array([-1.0, 1.0])}, {"n": Column(ColumnKind.NUMERIC)}, np.arange(2))
    far = Batch({"n": np.array([1e9, -1e9])}, usual.meaning, np.arange(2))
    assert step.apply(step.measure(usual), far).columns["n"].tolist() == [2.0, -2.0]


def test_a_constant_number_scales_to_zero() -> None:
    step = made("scale")
    constant = Batch({"n": np.full(9, 0.1)}, {"n": Column(ColumnKind.NUMERIC)}, np.arange(9))
    assert step.apply(step.measure(constant), constant).columns["n"].tolist() == [0.0] * 9


def test_levels_beyond_the_most_frequent_share_one_column() -> None:
    step = catalog.make(Shelf.STEPS, "one_hot", {"max_levels": 1})
    code_N = np.array([0, 0, 1, 2, 3, -1], np.int32)  # 3 stands for any level that training lacks
    batch = Batch({"plan": code_N}, {"plan": Column(ColumnKind.CATEGORY, 3)}, np.arange(6))
    state = step.measure(batch.take(np.array([0, 1, 2, 3, 5])))
    found = step.apply(state, batch)
    assert found.meaning["plan"].features == ("plan=level 0", "plan=rare", "plan=missing")
    assert found.columns["plan"].argmax(axis=1).tolist() == [0, 0, 1, 1, 1, 2]
