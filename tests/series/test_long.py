"""Long tables of series: joined by id, in order of time, with what is wrong named by id."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import DataFault
from assay.model import Model
from assay.spec import SeriesSpec
from assay.workflows import explaining, long_series

SPEC = SeriesSpec(id="who", time="second", channels=["left", "right"])


def long(**columns: object) -> pa.Table:
    told = {
        "who": ["b", "b", "a", "a", "a"],
        "second": [2, 1, 30, 10, 20],
        "left": [2.0, 1.0, 30.0, 10.0, 20.0],
        "right": [0.0, 0.5, 0.0, 0.5, 1.0],
        "way": ["up", "up", "down", "down", "down"],
    }
    return pa.table({**told, **columns})


def test_steps_become_series_in_order_of_time_and_ids_in_order_of_appearance() -> None:
    found = long_series.joined(long(), SPEC, "way")
    assert found.ids == ("b", "a")
    series = found.table.column("series").to_pylist()
    assert series == [[[1.0, 0.5], [2.0, 0.0]], [[10.0, 0.5], [20.0, 1.0], [30.0, 0.0]]]
    assert found.table.column("way").to_pylist() == ["up", "down"]


def test_text_as_csv_has_it_is_ordered_as_numbers() -> None:
    texts = {name: [str(value) for value in long().column(name).to_pylist()] for name in ("second", "left", "right")}
    found = long_series.joined(long(**texts), SPEC, "way")
    assert found.table.column("series").to_pylist()[1][0] == [10.0, 0.5]


def test_without_a_time_steps_are_in_the_order_of_the_rows() -> None:
    spec = SeriesSpec(id="who", channels=["left"])
    assert long_series.joined(long(), spec, "way").table.column("series").to_pylist()[0] == [[2.0], [1.0]]


def test_columns_of_one_value_a_series_stay_and_others_go() -> None:
    found = long_series.joined(long(town=[*"xxyyy"], step=[*"12345"]), SPEC, "way")
    assert found.table.column_names == ["series", "way", "town"]


def test_two_labels_of_one_series_are_refused_by_its_id() -> None:
    with pytest.raises(DataFault, match="label 'way': series 'a' has two values: down and up"):
        long_series.joined(long(way=["up", "up", "down", "down", "up"]), SPEC, "way")


@pytest.mark.parametrize(
    "columns",
    [
        {"who": ["b", "c", "a", "a", "a"]},
        {"left": [np.nan, 1.0, 3.0, 1.0, 2.0], "right": [np.nan, 0.5, 0.0, 0.5, 1.0]},
        {"left": [np.inf, 1.0, 3.0, 1.0, 2.0]},
    ],
)
def test_a_broken_series_is_refused_by_its_id_or_skipped(columns: dict[str, object]) -> None:
    with pytest.raises(DataFault, match=r"of . series have fewer than 2 steps or an infinite number: 'b'"):
        long_series.joined(long(**columns), SPEC, "way")
    found = long_series.joined(long(**columns), SPEC, "way", "skip")
    assert found.ids == ("a",)
    assert found.num_skipped == len({*long(**columns).column("who").to_pylist()}) - 1


def test_every_missing_column_is_named_at_once() -> None:
    with pytest.raises(DataFault) as caught:
        long_series.joined(long().drop_columns(["second", "left"]), SPEC, "way")
    assert [fault.place for fault in caught.value.faults] == ["column 'second'", "column 'left'"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"who": ["b", None, "a", "a", "a"]}, "column 'who': names no series in row 1"),
        ({"second": [1, 2, 3, None, 5]}, "column 'second': 1 rows have no time .first: row 3."),
        ({"second": ["now", "then", "1", "2", "3"]}, "neither dates nor whole numbers"),
        ({"left": ["1", "2", "loud", "4", "5"]}, "column 'left': is a channel, but holds no numbers"),
    ],
)
def test_what_cannot_be_joined_is_named(columns: dict[str, object], said: str) -> None:
    with pytest.raises(DataFault, match=said):
        long_series.joined(long(**columns), SPEC, "way")


@pytest.fixture
def steps(walks: list[list[list[float]]]) -> pa.Table:
    """The series as a long table."""
    rows = [(f"w{row}", time, *step) for row, walk in enumerate(walks) for time, step in enumerate(walk)]
    return pa.table(dict(zip(("who", "second", "left", "right"), map(list, zip(*rows, strict=True)), strict=True)))


@pytest.fixture
def joining(model: Model) -> Model:
    """The model, as if it had been trained on long tables."""
    (column,) = model.profile.columns
    profile = replace(model.profile, columns=(replace(column, name=long_series.COLUMN),))
    return replace(model, profile=profile, card={long_series.CARD: SPEC.model_dump()})


def test_a_series_of_a_long_table_is_explained_under_its_id(joining: Model, steps: pa.Table) -> None:
    found = explaining.explained(joining, steps, num_rows=3)
    assert [one["at"] for one in found] == [{"who": "w0"}, {"who": "w1"}, {"who": "w2"}]
    assert explaining.long_table(found).column_names[:3] == ["row", "who", "prediction"]


def test_an_id_that_is_named_as_a_column_of_the_table_keeps_both(joining: Model, steps: pa.Table) -> None:
    named = replace(joining, card={long_series.CARD: {**SPEC.model_dump(), "id": "value"}})
    why = explaining.long_table(explaining.explained(named, steps.rename_columns({"who": "value"}), num_rows=1))
    assert why.column("value_")[0].as_py() == "w0"
    assert isinstance(why.column("value")[0].as_py(), float)


def test_a_model_answers_a_long_table_with_the_ids(joining: Model, steps: pa.Table) -> None:
    answer = pa.concat_tables(long_series.answers(joining, steps))
    assert answer.column_names[:3] == ["row", "who", "prediction"]
    assert answer.column("prediction").to_pylist() == ["up" if row % 2 else "down" for row in range(40)]


def test_a_time_that_is_there_twice_in_a_series_is_named() -> None:
    table = pa.table(
        {"id": ["a", "a", "a", "b", "b"], "t": [1, 2, 2, 2, 3], "x": [1.0] * 5, "y": ["p"] * 3 + ["q"] * 2}
    )
    with pytest.raises(DataFault, match=r"column 't': 1 steps have the time of another \(first: 2 in series 'a'\)"):
        long_series.joined(table, SeriesSpec(id="id", time="t", channels=["x"]), "y")
