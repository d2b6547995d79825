"""Numbers and dates as people write them: found, offered as keys of the experiment file, and read alike everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay.cells import MissingValues
from assay.errors import DataFault
from assay.kinds.tabular import Tabular
from assay.profile import Profile
from assay.spec import Experiment
from assay.vocabulary import ColumnKind, Task
from assay.workflows.column_choices import column_choices

N = 60
TEXTS = {
    "point": ([f"${value:,.2f}" for value in range(0, 6000, 100)], {"kind": "numeric", "decimal": "."}),
    "comma": ([f"{value},5" for value in range(N)], {"kind": "numeric", "decimal": ","}),
    "percent": ([f"{value} %" for value in range(N)], {"kind": "numeric", "decimal": "."}),
    "space": ([f"1 {value:03},25 €" for value in range(N)], {"kind": "numeric", "decimal": ","}),
    "apostrophe": ([f"CHF 1'{value:03}.25" for value in range(N)], {"kind": "numeric", "decimal": "."}),
    "word": ([*(f"{value}.5" for value in range(N - 1)), "n/k"], {"kind": "numeric", "also_missing": ["n/k"]}),
    "day": ([f"{1 + value % 28}/12/2023" for value in range(N)], {"kind": "datetime", "date_format": "%d/%m/%Y"}),
    "month": ([f"12/{1 + value % 28}/23 14:05" for value in range(N)], {"kind": "datetime", "date_format": "%m/%d/%y"}),
    "name": ([f"{1 + value % 28} Mar 2024" for value in range(N)], {"kind": "datetime", "date_format": "%d %b %Y"}),
    "no day": ([*["2024-01-01"] * (N - 1), "2023-02-30"], {"also_missing": ["2023-02-30"]}),
}


def experiment(**columns: Any) -> Experiment:
    return Experiment.model_validate({"experiment": "e", "data": {"train": "t.csv", "label": "y"}, "columns": columns})


def table(texts: list[Any]) -> pa.Table:
    return pa.table({"x": texts, "y": [*"ab"] * (len(texts) // 2), "z": other(len(texts))})


def row(*values: Any) -> pa.Table:
    return pa.table({"x": values, "z": other(len(values))})


def other(num: int) -> list[float]:
    return [value * 7 % 13 / 2 for value in range(num)]


def profiled(rows: pa.Table, **columns: Any) -> Profile:
    told = experiment(**columns)
    missing, kind = MissingValues.told_by(told), Tabular()
    summaries = kind.summarise(rows, np.arange(rows.num_rows), 0, missing)
    return kind.profile(summaries, "y", told.task, told.columns, None, missing)


def choices(rows: pa.Table) -> dict[tuple[str, ...], Any]:
    return {c.path: c.value for c in column_choices(Tabular().summarise(rows, np.arange(rows.num_rows), 0), "y")}


@pytest.mark.parametrize("case", TEXTS)
def test_how_a_column_is_written_is_found_and_read(case: str) -> None:
    texts, keys = TEXTS[case]
    rows = table(texts)
    assert choices(rows) == {("columns", "x"): keys}
    if case != "no day":
        column = profiled(rows).columns[0]
        assert "identifier" not in column.dropped
        assert f"values are {'numbers' if keys['kind'] == 'numeric' else 'dates'}" in column.dropped + column.note
    column = profiled(rows, x=keys).column("x")
    assert (column.dropped, column.kind) == ("", keys.get("kind", "datetime"))


@pytest.mark.parametrize("case", TEXTS)
def test_a_block_and_a_row_are_read_as_all_rows_are(case: str) -> None:
    texts, keys = TEXTS[case]
    rows = table(texts)
    profile = profiled(rows, x=keys)
    whole_N = Tabular().to_batch(rows, profile).columns["x"]
    single_N = [Tabular().to_batch(rows.slice(row, 1), profile).columns["x"][0] for row in range(N)]
    np.testing.assert_array_equal(whole_N, single_N)
    again = Profile.from_json(profile.to_json())
    np.testing.assert_array_equal(Tabular().to_batch(rows, again).columns["x"], whole_N)


def test_numbers_and_text_of_one_format_are_the_same_numbers() -> None:
    profile = profiled(table([f"1.{value:03},5" for value in range(N)]), x={"kind": "numeric", "decimal": ","})
    texts = Tabular().to_batch(row("1.007,5", "n.a.", "€ 12"), profile).columns["x"]
    numbers = Tabular().to_batch(row(1007.5, None, 12.0), profile).columns["x"]
    np.testing.assert_array_equal(texts, numbers)
    with pytest.raises(DataFault, match=r"found text, expected numbers \(first: '12\.5' in row 1\)"):
        Tabular().to_batch(row("1,5", "12.5"), profile)


def test_plain_numbers_and_codes_are_left_alone() -> None:
    for texts in (
        [f"{value}" for value in range(N)],
        [f"+{value}.5" for value in range(N)],
        [f"{value}.5" for value in range(N - 1)] + ["n.a."],
        ["1", "2", "3", "4+"] * (N // 4),
        [f"u{value}" for value in range(N)],
        ["2024-01-01 10:00:00+00"] * N,
    ):
        assert choices(table(texts)) == {}, texts[:3]


def test_what_cannot_be_decided_is_told_with_the_first_value() -> None:
    texts = [f"{value}.5" for value in range(180)] + [f"word {value}" for value in range(20)]
    rows = table(texts)
    assert choices(rows) == {}
    assert (
        "180 of 200 values are numbers (the first that is none: 'word 0' in row 180)"
        in profiled(rows).columns[0].dropped
    )
    with pytest.raises(DataFault, match=r"20 of 200 values are not numbers \(first: 'word 0' in row 180\)"):
        profiled(rows, x={"kind": "numeric"})


def test_an_impossible_day_is_told_with_its_value_and_a_fix() -> None:
    rows = table(["2023-01-01", "2023-02-02", "2023-02-30", "2024-02-29"] * 15)
    with pytest.raises(DataFault) as caught:
        profiled(table([*["2023-01-01"] * 59, "2023-02-30"]))
    assert "also_missing: ['2023-02-30']" in str(caught.value)
    with pytest.raises(DataFault, match="2023-02-30"):
        profiled(rows)


def test_times_of_day_are_seconds_in_text_and_in_parquet() -> None:
    texts = [f"{value % 24:02}:{value % 60:02}" for value in range(N)]
    profile = profiled(table(texts))
    typed = pa.table(
        {"x": pa.array([(value % 24) * 3600 + (value % 60) * 60 for value in range(N)], pa.time32("s")), "z": other(N)}
    )
    found = Tabular().to_batch(table(texts), profile).columns["x"]
    np.testing.assert_array_equal(found, Tabular().to_batch(typed, profile).columns["x"])
    assert (profile.column("x").kind, found[1]) == (ColumnKind.NUMERIC, 3660.0)


def test_blocks_are_joined_to_the_same_findings() -> None:
    rows = table([f"{value},5" for value in range(N - 1)] + ["n/k"])
    blocks = [Tabular().summarise(rows.slice(at, 20), np.arange(at, at + 20), 0)["x"] for at in (0, 20, 40)]
    merged = blocks[0].merge(blocks[1]).merge(blocks[2])
    whole = Tabular().summarise(rows, np.arange(N), 0)["x"]
    assert (merged.readings, merged.missing_words) == (whole.readings, whole.missing_words)


def test_prices_as_a_label_are_a_regression() -> None:
    rows = pa.table({"x": other(N), "y": [f"{value + 1000:,}" for value in range(N)]})
    assert choices(rows) == {("task",): "regression", ("columns", "y"): {"kind": "numeric", "decimal": "."}}
    with pytest.raises(DataFault, match=r"all 60 values are numbers.*write `task: regression` and"):
        profiled(rows)
    profile = profiled(rows, y={"kind": "numeric", "decimal": "."})
    assert (profile.label.task, profile.label.low) == (Task.REGRESSION, 1000.0)
    assert Tabular().to_batch(rows, profile).y_N[:2].tolist() == [1000.0, 1001.0]


def test_counts_with_one_rare_value_are_a_regression() -> None:
    rows = pa.table({"x": other(200), "y": [value % 18 for value in range(199)] + [18]})
    assert profiled(rows).label.task is Task.REGRESSION
    assert choices(rows) == {("task",): "regression"}
    few = rows.set_column(1, "y", pa.array([value % 2 for value in range(199)] + [18]))
    with pytest.raises(DataFault, match="task: regression"):
        profiled(few)


def test_numbers_with_one_word_as_a_label_are_told() -> None:
    y = [f"{value}.5" for value in range(199)] + ["n/k"]
    rows = pa.table({"x": other(200), "y": y})
    with pytest.raises(DataFault, match=r"199 of 200 values are numbers \(the first that is none: 'n/k' in row 199\)"):
        profiled(rows)
    assert choices(rows)[("columns", "y")] == {"kind": "numeric", "also_missing": ["n/k"]}


@pytest.mark.parametrize("label", [pa.array([[1]] * N), pa.array([b"\xff"] * N), pa.array([{"a": 1}] * N)])
def test_a_label_of_no_values_says_what_it_holds(label: pa.Array) -> None:
    with pytest.raises(DataFault, match=r"label 'y': holds (lists|bytes|structs)"):
        profiled(pa.table({"x": other(N), "y": label}))


def test_a_column_of_no_values_is_left_out_with_its_type() -> None:
    rows = pa.table({"x": [1.0, 2.0] * 30, "s": [{"a": 1}, None] * 30, "y": [*"ab"] * 30})
    assert "structs (struct<a: int64>)" in profiled(rows).column("s").dropped
    with pytest.raises(DataFault, match="structs"):
        profiled(rows, s={"kind": "numeric"})


def test_words_read_as_missing_are_told() -> None:
    column = profiled(table(["A", "B", "NA", "None"] * 15)).column("x")
    assert (column.levels, column.num_missing) == (("A", "B"), 30)
    assert "'NA' in 15 rows" in column.note


def test_listed_words_replace_the_usual_ones() -> None:
    rows = table(["A", "B", "NA", "-9"] * 15)
    told = Experiment.model_validate({"experiment": "e", "data": {"train": "t", "label": "y", "missing_values": [-9]}})
    missing = MissingValues.told_by(told)
    summaries = Tabular().summarise(rows, np.arange(N), 0, missing)
    profile = Tabular().profile(summaries, "y", None, {}, None, missing)
    assert set(profile.column("x").levels) == {"A", "B", "NA"}
    assert Tabular().to_batch(row("-9", "-9.0", "NA"), profile).columns["x"].tolist()[:2] == [-1, 3]


def test_one_word_many_times_among_numbers_is_offered_as_missing() -> None:
    rows = table(["unk." if value % 4 == 0 else f"{value}.5" for value in range(N)])
    assert choices(rows) == {("columns", "x"): {"kind": "numeric", "also_missing": ["unk."]}}
    assert choices(table(["4+" if value % 4 == 0 else f"{value}.5" for value in range(N)])) == {}


def test_zero_dates_are_counted_as_missing() -> None:
    rows = table(["0000-00-00" if value % 10 == 0 else f"2023-01-{1 + value % 28:02}" for value in range(N)])
    column = profiled(rows).column("x")
    assert (column.kind, column.num_missing) == (ColumnKind.DATETIME, 6)


def test_dates_as_a_label_are_told() -> None:
    y = [f"2023-{1 + value % 12:02}-{1 + value % 28:02}" for value in range(N)]
    with pytest.raises(DataFault, match="label 'y': holds dates, expected classes or numbers"):
        profiled(pa.table({"x": other(N), "y": y}))
