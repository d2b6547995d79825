"""Every Arrow column, whatever its encoding, is one of five storage types."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from assay.cells import Mismatch, canonical_text, stored, to_numbers, to_texts, to_times, to_truth

STAMP = dt.datetime(2024, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("column", "type_", "values"),
    [
        (pa.array([b"so", b" "]), "string", ["so", None]),
        (pa.array([b"ab"], pa.binary(2)), "string", ["ab"]),
        (pa.array([b"ab"], pa.large_binary()), "string", ["ab"]),
        (pa.array([" a", None], pa.string_view()), "string", ["a", None]),
        (pa.array(["a", "b"]).dictionary_encode(), "string", ["a", "b"]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]), "string", ["a", "a", "b"]),
        (pa.array([uuid.UUID(int=7).bytes], pa.uuid()), "string", [str(uuid.UUID(int=7))]),
        (pa.array([Decimal("1.10"), None]), "number", [1.1, None]),
        (pa.array([1.5, float("nan")], pa.float16()), "number", [1.5, None]),
        (pa.array([2**64 - 1], pa.uint64()), "number", [float(2**64 - 1)]),
        (pa.array([dt.timedelta(minutes=1.5), None]), "number", [90.0, None]),
        (pa.array([dt.time(1, 0, 0, 500_000)]), "number", [3600.5]),
        (pa.array([61], pa.time32("s")), "number", [61.0]),
        (pa.array([STAMP], pa.timestamp("ns")), "datetime", [STAMP]),
        (pa.array([dt.date(2024, 1, 2)], pa.date64()), "datetime", [dt.datetime(2024, 1, 2)]),
        (pa.array([None, None]), "nothing", [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_column_is_reduced_to_its_values(column: pa.Array, type_: str, values: list[object]) -> None:
    for form in (column, pa.chunked_array([column])):
        found = stored(form)
        assert (found.type, found.array.to_pylist()) == (type_, values)


@pytest.mark.parametrize("column", [pa.array([b"\xff\xfe"]), pa.array([[1]]), pa.array([{"a": 1}])])
def test_what_no_cell_holds_is_other(column: pa.Array) -> None:
    assert stored(column).type == "other"


def test_numbers_are_written_one_way() -> None:
    assert canonical_text(stored(pa.array([1.0, 2.5, 1e15, 9e17, None]))).to_pylist() == [
        "1", "2.5", "1000000000000000", "900000000000000000", None,
    ]  # fmt: skip
    assert canonical_text(stored(pa.array([Decimal("3.00"), Decimal("2.50")]))).to_pylist() == ["3", "2.5"]


@pytest.mark.parametrize("word", ["NA", "n.a.", "-", ".", "?", "-nan", "None", "null", "#N/A", "<NA>", " NaN "])
def test_a_word_for_missing_is_missing_in_numbers_truth_and_dates(word: str) -> None:
    assert np.isnan(to_numbers(stored(pa.array([word, "1"])))).tolist() == [True, False]
    assert np.isnan(to_truth(stored(pa.array([word, "yes"])))).tolist() == [True, False]
    assert (to_times(stored(pa.array([word, "2024-01-01"]))) == np.iinfo(np.int64).min).tolist() == [True, False]
    assert to_texts(stored(pa.array([word, "so"]))).tolist() == [word.strip(), "so"]


def test_numbers_are_read_as_programs_write_them() -> None:
    text = pa.array(["+12.5", "1.5D3", "-2d-1", ".5", "7.", "1e2", "true"])
    assert to_numbers(stored(text)).tolist() == [12.5, 1500.0, -0.2, 0.5, 7.0, 100.0, 1.0]


def test_truth_is_read_as_databases_write_it() -> None:
    assert to_truth(stored(pa.array(["t", "F", "1", "0.0", "YES", "n"]))).tolist() == [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("zone", ["+00", "Z", " UTC", " +0000", "+00:00"])
def test_zones_are_read_in_all_their_spellings(zone: str) -> None:
    (found,) = to_times(stored(pa.array([f"2023-01-01 12:00:00{zone}"]))).tolist()
    assert found == 1_672_574_400_000_000


def test_a_zero_date_is_missing() -> None:
    found = to_times(stored(pa.array(["0000-00-00", "0000-00-00 00:00:00", "1970-01-01"])))
    assert found.tolist() == [np.iinfo(np.int64).min] * 2 + [0]


def test_a_day_that_does_not_exist_is_named_with_its_row() -> None:
    with pytest.raises(Mismatch) as caught:
        to_times(stored(pa.array(["2024-02-29", None, "2023-02-30"])))
    assert (caught.value.position, caught.value.value) == (2, "2023-02-30")
    assert "correct the day" in caught.value.fix
