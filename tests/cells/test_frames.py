"""Frames with any column type become a table, or a fault that names column, row and value."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from assay.cells import from_frame, from_values, stored
from assay.errors import DataFault

READ: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "interval": (lambda: pd.cut([1, 5], [0, 3, 6]), ["(0, 3]", "(3, 6]"]),
    "period": (lambda: pd.PeriodIndex(["2024-02"], freq="M"), [dt.datetime(2024, 2, 1)]),
    "timedelta": (lambda: pd.to_timedelta([1, 2], "s"), [1.0, 2.0]),
    "sparse": (lambda: pd.arrays.SparseArray([0.0, 1.0]), [0.0, 1.0]),
    "uuid": (lambda: [uuid.UUID(int=1), None], [str(uuid.UUID(int=1)), None]),
    "category of numbers": (lambda: pd.Categorical([7, None]), [7.0, None]),
    "category of words": (lambda: pd.Categorical(["a", None]), ["a", None]),
    "numbers and codes": (lambda: pd.Series([7, "7a"], dtype=object), ["7", "7a"]),
    "floats and codes": (lambda: pd.Series([7.0, "7a"], dtype=object), ["7", "7a"]),
    "truth and words": (lambda: pd.Series([True, "maybe"], dtype=object), ["true", "maybe"]),
    "missing of all sorts": (lambda: pd.Series([pd.NA, np.nan], dtype=object), [None, None]),
    "whole and broken": (lambda: pd.Series([2**60, 0.5], dtype=object), [float(2**60), 0.5]),
    "beyond 64 bits": (lambda: pd.Series([1, 2**70], dtype=object), ["1", str(2**70)]),
    "unsigned": (lambda: pd.Series([1, 2**63 + 1], dtype=object), [1.0, float(2**63 + 1)]),
    "times of day": (lambda: pd.Series([dt.time(0, 1), None], dtype=object), [60.0, None]),
    "dates and times": (
        lambda: pd.Series([dt.date(2024, 1, 1), dt.datetime(2024, 1, 2, 3)], dtype=object),
        [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2, 3)],
    ),
    "dates and a word": (lambda: pd.Series([dt.date(2024, 1, 1), "n.a."], dtype=object), ["2024-01-01", "n.a."]),
    "nullable": (lambda: pd.array([1, None], dtype="Int64"), [1.0, None]),
    "arrow": (lambda: pd.array(["a", None], dtype="string[pyarrow]"), ["a", None]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_a_column_of_pandas_is_read(case: str) -> None:
    make, expected = READ[case]
    table = from_frame(pd.DataFrame({"x": make()}))
    assert stored(table.column("x")).array.to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1j, 2j], "complex numbers"),
        (["good soup was it", "bad soup it was", 7], "text and numbers (first: 7 in row 2)"),
        (["a", ["b"]], "text and lists"),
        ([object(), object()], "object"),
        (["fine", "x \ud83d"], r"first: 'x \ud83d' in row 1"),
    ],
)
def test_what_cannot_be_read_is_named(values: list[Any], said: str) -> None:
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    with pytest.raises(DataFault) as caught:
        from_frame(frame)
    (fault,) = caught.value.faults
    assert fault.place == "column 'x'"
    assert said in fault.found
    assert fault.fix


def test_every_column_at_fault_is_named() -> None:
    with pytest.raises(DataFault) as caught:
        from_frame(pd.DataFrame({"a": [1j], "b": [1], "c": [object()]}))
    assert [fault.place for fault in caught.value.faults] == ["column 'a'", "column 'c'"]


def test_a_series_and_other_things_are_no_frame() -> None:
    for given in (pd.Series([1]), pl.Series([1]), [1], {"a": [1]}, np.eye(2)):
        with pytest.raises(DataFault, match="give a"):
            from_frame(given)


def test_frames_of_polars_are_read() -> None:
    frame = pl.DataFrame({"a": ["x", "y"], "b": [1, None]}, schema={"a": pl.Categorical, "b": pl.Int64})
    for given in (frame, frame.lazy()):
        assert [stored(column).array.to_pylist() for column in from_frame(given).columns] == [["x", "y"], [1.0, None]]
    with pytest.raises(DataFault, match="column 'o'"):
        from_frame(pl.DataFrame({"o": [object()]}))


def test_values_of_one_sort_keep_their_type() -> None:
    assert from_values("x", [1, None]).type == pa.int64()
    assert from_values("x", ["a", float("nan")]).to_pylist() == ["a", None]
