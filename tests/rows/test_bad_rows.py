"""A row that cannot be read does not fail the others, of whatever kind the rows are."""

from __future__ import annotations

from pathlib import Path

import bad_inputs
import pyarrow as pa
import pytest

import assay
from assay.bad_rows import find_bad_rows
from assay.errors import DataFault, SpecFault

KINDS = ["table", "image", "series"]  # a text without a word is answered, and needs no such care


def rows(kind: str) -> pa.Table:
    found: pa.Table = getattr(bad_inputs, kind)()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_by_default_a_bad_row_fails_the_batch(models: dict[str, Path], kind: str) -> None:
    with pytest.raises(DataFault, match=f"row {bad_inputs.BAD}"):
        assay.predict(str(models[kind]), rows(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_skip_leaves_it_out_and_names_it(models: dict[str, Path], kind: str) -> None:
    found = assay.predict(str(models[kind]), rows(kind), on_error="skip")
    assert found.table["row"].to_pylist() == [0, 1, 3, 4]
    assert [one["row"] for one in found.errors] == [bad_inputs.BAD]


@pytest.mark.parametrize("kind", KINDS)
def test_null_answers_null_for_it_and_others_as_ever(models: dict[str, Path], kind: str) -> None:
    found = assay.predict(str(models[kind]), rows(kind), on_error="null").table
    good = rows(kind).take(pa.array([0, 1, 3, 4]))
    expected = assay.predict(str(models[kind]), good).table
    assert found["prediction"][bad_inputs.BAD].as_py() is None
    assert found.take(pa.array([0, 1, 3, 4])).drop_columns(["row"]).equals(expected.drop_columns(["row"]))


@pytest.mark.parametrize("on_error", ["skip", "null"])
def test_a_bad_series_leaves_the_forecast_of_others(models: dict[str, Path], on_error: str) -> None:
    found = assay.predict(str(models["forecast"]), rows("forecast"), on_error=on_error)
    lost = ["south"] if on_error == "null" else []
    assert found.table["shop"].to_pylist() == ["north"] * 5 + lost
    assert found.table["prediction"].null_count == len(lost)
    assert "south" in found.errors[0]["error"]


def test_a_missing_column_fails_whatever_is_asked_for(models: dict[str, Path]) -> None:
    with pytest.raises(DataFault, match="column 'age'"):
        assay.predict(str(models["table"]), rows("table").drop_columns(["age"]), on_error="skip")


def test_rows_that_all_are_bad_fail(models: dict[str, Path]) -> None:
    bad = rows("table").take(pa.array([bad_inputs.BAD] * 3))
    with pytest.raises(DataFault, match="old"):
        assay.predict(str(models["table"]), bad, on_error="null")


def test_an_unknown_way_is_refused(models: dict[str, Path]) -> None:
    with pytest.raises(SpecFault, match="use one of: fail, skip, null"):
        assay.predict(str(models["table"]), rows("table"), on_error="ignore")


def test_every_bad_row_is_found_by_few_reads() -> None:
    bad, reads = {3, 70, 71, 999}, []

    def read(places: object) -> None:
        reads.append(places)
        if bad & set(places):  # type: ignore[call-overload]
            raise DataFault.at("column 'x'", "is bad")

    assert [one.row for one in find_bad_rows(1_000, read)] == sorted(bad)
    assert len(reads) < 90
