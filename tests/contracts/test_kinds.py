"""Promises of every kind on the shelf, shown on rows of each: tables have more promises than others."""

from __future__ import annotations

import hashlib
import io
import json
import math
import runpy
import subprocess
import sys
from functools import cache, reduce
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import catalog
from assay.batch import Batch
from assay.errors import DataFault, SpecFault
from assay.kinds import _arrays, _few
from assay.parts import Kind
from assay.profile import ColumnProfile, ColumnSummary, Profile
from assay.spec import ColumnSpec
from assay.vocabulary import ColumnKind, Shelf, Task

NUM_ROWS = 120
NOT_A_TIME = np.iinfo(np.int64).min
CONFTEST = runpy.run_path(str(Path(__file__).parent / "conftest.py"))
KEYS = ["tabular", "image", "text", "series"]
every_kind = pytest.mark.parametrize("key", KEYS)
every_table = pytest.mark.parametrize("key", ["tabular"])


def made(key: str) -> Kind:
    return catalog.make(Shelf.KINDS, key)


def rows(key: str = "tabular") -> pa.Table:
    """Return rows of a kind, with the label `left`."""
    return tables() if key == "tabular" else CONFTEST[f"{key}_rows"](NUM_ROWS)


def tables() -> pa.Table:
    """Return typed rows, as a Parquet file holds them: every kind of column, each with missing values."""
    draw = np.random.default_rng(0)
    gap_N = draw.random(NUM_ROWS) < 0.15

    def column(values: list[object], type_: pa.DataType) -> pa.Array:
        return pa.array([None if gap else value for gap, value in zip(gap_N, values, strict=True)], type_)

    words = ["fast and fine", "slow, but it came", "never arrived at all", "would buy it again"]
    return pa.table(
        {
            "age": column(draw.integers(18, 90, NUM_ROWS).tolist(), pa.int64()),
            "income": column(np.round(draw.lognormal(3, 1, NUM_ROWS), 2).tolist(), pa.float64()),
            "member": column((draw.random(NUM_ROWS) < 0.5).tolist(), pa.bool_()),
            "plan": column(draw.choice(["basic", "plus", 'a, "b"', "ünï"], NUM_ROWS).tolist(), pa.string()),
            "joined": column((draw.integers(0, 10**9, NUM_ROWS) * 1_000_000).tolist(), pa.timestamp("us")),
            "said": column([f"{words[n % 4]} {n}" for n in range(NUM_ROWS)], pa.string()),
            "left": pa.array(draw.choice(["no", "yes"], NUM_ROWS, p=[0.7, 0.3]).tolist()),
        }
    )


def as_csv(table: pa.Table) -> pa.Table:
    """Return the rows as the source of CSV files gives them: written down, and read as text."""
    sink = io.BytesIO()
    pacsv.write_csv(table, sink)
    types = dict.fromkeys(table.column_names, pa.string())
    options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
    return pacsv.read_csv(io.BytesIO(sink.getvalue()), convert_options=options)


def as_request(table: pa.Table) -> pa.Table:
    """Return the rows as a request brings them: JSON values, dates as text."""
    plain = json.loads(json.dumps(table.to_pylist(), default=lambda value: value.isoformat()))
    return pa.Table.from_pylist(plain)


def profile_of(key: str, table: pa.Table, label: str = "left", **declared: ColumnSpec) -> Profile:
    summaries = made(key).summarise(table, np.arange(table.num_rows), seed=1)
    return made(key).profile(summaries, label, None, declared, None)


def same(left: Batch, right: Batch) -> None:
    assert left.meaning == right.meaning
    for name, array in left.columns.items():
        assert array.dtype == right.columns[name].dtype
        np.testing.assert_array_equal(array, right.columns[name], err_msg=name)
    np.testing.assert_array_equal(left.y_N, right.y_N)


def digest(key: str) -> str:
    profile = profile_of(key, rows(key))
    content = hashlib.sha256(json.dumps(profile.to_json()).encode())
    for array in made(key).to_batch(rows(key), profile).columns.values():
        content.update(repr(array.tolist()).encode())
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


@every_kind
def test_the_same_rows_give_the_same_profile_and_arrays_in_another_process(key: str) -> None:
    assert digest(key) == other_process()[key]


@every_kind
def test_a_file_and_a_request_of_the_same_content_give_the_same_arrays(key: str) -> None:
    profile = profile_of(key, rows(key))
    expected = made(key).to_batch(rows(key), profile)
    if key == "tabular":
        same(made(key).to_batch(as_csv(rows()), profile), expected)
    same(made(key).to_batch(as_request(rows(key)), profile), expected)


@every_kind
def test_a_request_of_one_row_gives_that_row(key: str) -> None:
    profile = profile_of(key, rows(key))
    expected = made(key).to_batch(rows(key), profile)
    for row in (0, 17, NUM_ROWS - 1):
        one = made(key).to_batch(as_request(rows(key).slice(row, 1)), profile)
        same(one, expected.take(np.array([row])))


@every_kind
def test_rows_sent_as_a_client_sends_them_give_the_same_arrays(key: str) -> None:
    profile = profile_of(key, rows(key))
    expected = made(key).to_batch(rows(key), profile)
    for table in (rows(key), as_csv(rows(key))) if key == "tabular" else (rows(key),):
        sent = json.loads(json.dumps(made(key).as_request(table, profile), allow_nan=False))
        assert set(sent[0]) == {column.name for column in profile.used}
        found = made(key).to_batch(pa.Table.from_pylist(sent), profile)
        for name, array in found.columns.items():
            np.testing.assert_array_equal(array, expected.columns[name], err_msg=name)


@every_table
def test_the_profile_does_not_depend_on_the_format_of_the_file(key: str) -> None:
    typed, text = (profile_of(key, table) for table in (rows(key), as_csv(rows(key))))
    for left, right in zip(typed.columns, text.columns, strict=True):
        assert (left.kind, left.dropped, left.levels, left.num_missing) == (
            right.kind,
            right.dropped,
            right.levels,
            right.num_missing,
        )
        assert (left.mean, left.std, left.whole) == (right.mean, right.std, right.whole)
        assert left.sample == right.sample
    assert typed.label == text.label


@every_kind
def test_a_profile_survives_json(key: str) -> None:
    profile = profile_of(key, rows(key))
    assert Profile.from_json(json.loads(json.dumps(profile.to_json(), allow_nan=False))) == profile


@given(cuts=st.sets(st.integers(1, NUM_ROWS - 1), max_size=6))
@settings(max_examples=25)
@pytest.mark.parametrize("key", KEYS)
def test_blocks_summarised_and_merged_give_the_profile_of_all_rows(key: str, cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), NUM_ROWS]
    blocks = [
        made(key).summarise(rows(key).slice(first, last - first), np.arange(first, last), seed=1)
        for first, last in pairwise(edges)
    ]
    merged = {name: reduce(ColumnSummary.merge, [block[name] for block in blocks]) for name in blocks[0]}
    found = made(key).profile(merged, "left", None, {}, None)
    expected = profile_of(key, rows(key))
    for left, right in zip(found.columns, expected.columns, strict=True):
        assert (left.levels, left.level_counts, left.sample) == (right.levels, right.level_counts, right.sample)
        assert (left.kind, left.dropped, left.low, left.high) == (right.kind, right.dropped, right.low, right.high)
        assert left.shape == right.shape
        if right.mean is not None and right.std is not None:
            assert left.mean == pytest.approx(right.mean, rel=1e-12)
            assert left.std == pytest.approx(right.std, rel=1e-9)


@every_kind
def test_rows_keep_their_number_and_order(key: str) -> None:
    profile, order_n = profile_of(key, rows(key)), np.random.default_rng(1).permutation(NUM_ROWS)[:40]
    turned = made(key).to_batch(rows(key).take(pa.array(order_n)), profile)
    same(turned, made(key).to_batch(rows(key), profile).take(order_n))


@every_kind
def test_columns_may_come_in_any_order_with_others_among_them(key: str) -> None:
    profile = profile_of(key, rows(key))
    turned = rows(key).select(rows(key).column_names[::-1]).append_column("new", pa.array([{"a": 1}] * NUM_ROWS))
    same(made(key).to_batch(turned, profile), made(key).to_batch(rows(key), profile))


@every_table
def test_a_row_of_nothing_is_missing_everywhere(key: str) -> None:
    profile = profile_of(key, rows(key))
    nothing = pa.table({name: pa.nulls(1) for name in rows(key).column_names if name != "left"})
    batch = made(key).to_batch(nothing, profile)
    assert np.isnan(batch.columns["age"][0])
    assert np.isnan(batch.columns["member"][0])
    assert (batch.columns["plan"][0], batch.columns["joined"][0], batch.columns["said"][0]) == (-1, NOT_A_TIME, "")
    assert batch.y_N is None


@every_table
def test_a_level_unseen_in_training_has_a_code_of_its_own(key: str) -> None:
    profile = profile_of(key, rows(key))
    unseen = rows(key).slice(0, 1).set_column(3, "plan", pa.array(["never seen"]))
    assert made(key).to_batch(unseen, profile).columns["plan"].tolist() == [len(profile.column("plan").levels)]


@every_table
def test_every_missing_column_is_named_at_once(key: str) -> None:
    profile = profile_of(key, rows(key))
    with pytest.raises(DataFault) as caught:
        made(key).to_batch(rows(key).drop_columns(["age", "plan"]), profile)
    assert [fault.place for fault in caught.value.faults] == ["column 'age'", "column 'plan'"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("age", "forty", "found text, expected numbers (first: 'forty' in row 3)"),
        ("age", [1, 2], "found lists (list<item: int64>), expected numbers"),
        ("member", "perhaps", "found text, expected true/false (first: 'perhaps' in row 3)"),
        ("member", 7, "found numbers, expected true/false (first: 7.0 in row 3)"),
        ("joined", "yesterday", "found text, expected dates (first: 'yesterday' in row 3)"),
        ("joined", 5, "found numbers, expected dates"),
        ("said", 5, "found numbers, expected text"),
        ("age", "inf", "found infinite numbers, expected numbers (first: row 3)"),
    ],
)
def test_a_broken_value_names_its_column_its_row_and_both_types(column: str, value: object, said: str) -> None:
    profile = profile_of("tabular", rows())
    broken = rows().set_column(rows().column_names.index(column), column, pa.array([None] * 3 + [value] + [None] * 116))
    with pytest.raises(DataFault, match=r"^column '") as caught:
        made("tabular").to_batch(broken, profile)
    assert caught.value.faults[0].place == f"column '{column}'"
    assert caught.value.faults[0].found == said


def numbered(values: list[object]) -> pa.Array:
    return pa.array([values[row % len(values)] for row in range(NUM_ROWS)])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (numbered([1.5, 2.5, None]), ColumnKind.NUMERIC),
        (numbered(["1", "2.5", "-3e2", ".5", None]), ColumnKind.NUMERIC),
        (numbered([True, False, None]), ColumnKind.BOOLEAN),
        (numbered(["yes", "No", None]), ColumnKind.BOOLEAN),
        (numbered(["red", "green", "1"]), ColumnKind.CATEGORY),
        (pa.array(["a", "b"] * 60).dictionary_encode(), ColumnKind.CATEGORY),
        (numbered(["2024-02-29", "2024-03-01T10:00:00Z", "2024-03-01 10:00:00.123456789+01:00"]), ColumnKind.DATETIME),
        (numbered(["2024-13-01", "2024-02-29"]), ColumnKind.CATEGORY),
        (pa.array([f"it was number {row} of many" for row in range(NUM_ROWS)]), ColumnKind.TEXT),
        (numbered([0, 1]), ColumnKind.NUMERIC),
    ],
)
def test_what_a_column_holds_is_told_from_its_values(values: pa.Array, kind: ColumnKind) -> None:
    table = rows().append_column("x", values)
    profile = profile_of("tabular", table)
    assert (profile.column("x").kind, profile.column("x").dropped) == (kind, "")
    assert made("tabular").to_batch(table, profile).meaning["x"].kind is kind


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pa.nulls(NUM_ROWS), "every value is missing"),
        (pa.array([""] * NUM_ROWS), "every value is missing"),
        (pa.array([7] * NUM_ROWS), "every value is the same"),
        (pa.array([f"id-{row}" for row in range(NUM_ROWS)]), "nearly every value is different, like an identifier"),
        (pa.array(range(1000, 1000 + NUM_ROWS)), "whole numbers that grow with the row, like an identifier"),
    ],
)
def test_a_column_that_cannot_help_is_dropped_with_the_reason(values: pa.Array, reason: str) -> None:
    assert profile_of("tabular", rows().append_column("x", values)).column("x").dropped == reason


def test_what_the_author_says_of_a_column_goes_before_inference() -> None:
    table = rows().append_column("x", pa.array(range(NUM_ROWS)))
    profile = profile_of(
        "tabular", table, x=ColumnSpec(kind="numeric"), age=ColumnSpec(kind="category"), plan=ColumnSpec(drop=True)
    )
    assert not profile.column("x").dropped
    assert profile.column("age").kind is ColumnKind.CATEGORY
    assert profile.column("plan").dropped == "left out by the experiment file"


@pytest.mark.parametrize(
    ("label", "task", "classes"),
    [
        (["no", "yes"], Task.BINARY, ("no", "yes")),
        (["yes", "yes", "no"], Task.BINARY, ("no", "yes")),
        (["cat", "dog", "dog"], Task.BINARY, ("dog", "cat")),
        (["a", "c", "b"], Task.MULTICLASS, ("a", "b", "c")),
        ([10, 9, 2], Task.MULTICLASS, ("2", "9", "10")),
        ([True, False], Task.BINARY, ("false", "true")),
        ([0.5, 1.25, 7.0], Task.REGRESSION, ()),
        (list(range(40)), Task.REGRESSION, ()),
    ],
)
def test_the_task_and_the_order_of_classes_are_told_from_the_label(
    label: list[object], task: Task, classes: tuple[str, ...]
) -> None:
    known = profile_of("tabular", rows().drop_columns(["left"]).append_column("left", numbered(label))).label
    assert (known.task, known.classes) == (task, classes)


@every_kind
def test_default_steps_are_on_the_shelf(key: str) -> None:
    for wants in ("codes", "dense", "raw"):
        assert set(made(key).default_steps(wants)) <= set(catalog.keys(Shelf.STEPS))


@every_kind
def test_an_unknown_setting_is_refused_by_name(key: str) -> None:
    with pytest.raises(SpecFault, match=rf"{key}\.params\.lenght: unknown setting 'lenght'"):
        catalog.make(Shelf.KINDS, key, {"lenght": 3})


FEW_VALUES = {
    ColumnKind.NUMERIC: [
        pa.array([3, None, -(2**62)], pa.int64()),
        pa.array([0.1, -0.0, math.nan, None]),
        pa.array([None, None], pa.null()),
    ],
    ColumnKind.CATEGORY: [
        pa.array(["b", " b\u2003", "", "\t", "new", None]),
        pa.array([None], pa.null()),
    ],
    ColumnKind.BOOLEAN: [pa.array([True, None, False]), pa.array([None], pa.null())],
}
every_few = pytest.mark.parametrize(
    ("kind", "values"), [(kind, one) for kind, many in FEW_VALUES.items() for one in many]
)


@every_few
def test_a_few_values_are_converted_as_many_are(kind: ColumnKind, values: pa.Array) -> None:
    column = ColumnProfile("c", kind, levels=("a", "b") if kind is ColumnKind.CATEGORY else ())

    few = _few.to_array(values, column)
    many = _arrays._converted(values, column)

    assert few is not None
    assert few.dtype == many.dtype
    np.testing.assert_array_equal(few, many)
    if kind is ColumnKind.NUMERIC:
        np.testing.assert_array_equal(np.signbit(few), np.signbit(many))
