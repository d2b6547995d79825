"""One table as CSV text, Parquet, frames and encodings of Arrow gives the same profile and the same bits."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.batch import Batch
from assay.cells import from_frame
from assay.kinds.tabular import Tabular
from assay.profile import Profile
from assay.sources.delimited import CsvFiles

ROWS = 24
LEVELS = st.sampled_from(
    [
        ["1", "2", "3"],
        ["007", "7", "12"],
        ["None", "NA", "Mild", "?"],
        ["7", "7a", "1.5"],
        ["yes", "no"],
        ["1.1", "1.10", "2"],
        ["é, ", '"quoted"', "two\nlines"],
        [str(9 * 10**17 + step) for step in range(3)],
    ]
)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.one_of(st.none(), values), min_size=ROWS, max_size=ROWS)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Columns of all types, of which CSV keeps every value."""
    whole = draw(maybe(st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))))
    numbers = draw(maybe(st.floats(-1e30, 1e30, allow_subnormal=False)))
    times = draw(maybe(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))))
    columns = {
        "whole": pa.array(whole, pa.int64()),
        "id": pa.array([None if value is None else value % 3 + 9 * 10**17 for value in whole], pa.int64()),
        "number": pa.array(numbers, pa.float64()),
        "code": pa.array([None if value is None else float(round(value) % 3) for value in numbers], pa.float64()),
        "truth": pa.array(draw(maybe(st.booleans())), pa.bool_()),
        "time": pa.array(times, pa.timestamp("us")),
        "day": pa.array([None if value is None else value.date() for value in times], pa.date32()),
        "level": pa.array(draw(maybe(draw(LEVELS.map(st.sampled_from)))), pa.string()),
        "step": pa.array([row * 7 % 11 / 2 for row in range(ROWS)]),
        "y": pa.array([1.0, 0.0] * (ROWS // 2)),
    }
    names = draw(st.permutations(list(columns)))
    return pa.table({name: columns[name] for name in names})


def as_csv(table: pa.Table, folder: Path) -> pa.Table:
    sink = io.BytesIO()
    pacsv.write_csv(table, sink)
    path = folder / "rows.csv.gz"
    path.write_bytes(gzip.compress(sink.getvalue(), 1))
    return CsvFiles().peek([str(path)], ROWS)


def as_parquet(table: pa.Table, folder: Path) -> pa.Table:
    pq.write_table(table, folder / "rows.parquet")
    return pq.read_table(folder / "rows.parquet")


def encoded(table: pa.Table, _: Path) -> pa.Table:
    return pa.table({name: table.column(name).combine_chunks().dictionary_encode() for name in table.column_names})


def as_bytes(table: pa.Table, _: Path) -> pa.Table:
    position = table.column_names.index("level")
    return table.set_column(position, "level", table.column("level").cast(pa.binary()))


def other_types(table: pa.Table, _: Path) -> pa.Table:
    types = {
        "id": pa.decimal128(38, 2),
        "whole": pa.decimal256(40, 0),
        "code": pa.int8(),
        "time": pa.timestamp("us", "UTC"),
    }
    return pa.table(
        {name: table.column(name).cast(types.get(name, table.column(name).type)) for name in table.column_names}
    )


FORMS: dict[str, Callable[[pa.Table, Path], pa.Table]] = {
    "gzip of CSV": as_csv,
    "Parquet": as_parquet,
    "pandas": lambda table, _: from_frame(table.to_pandas(types_mapper=None, integer_object_nulls=True)),
    "pandas with Arrow": lambda table, _: from_frame(table.to_pandas(types_mapper=_arrow_type)),
    "polars": lambda table, _: from_frame(pl.DataFrame(table)),
    "dictionaries": encoded,
    "bytes": as_bytes,
    "other types": other_types,
    "other order": lambda table, _: table.select(table.column_names[::-1]),
}


def _arrow_type(kind: pa.DataType) -> Any:
    import pandas as pd

    return pd.ArrowDtype(kind)


class Declared:
    """What an experiment says of a column."""

    drop = False

    def __init__(self, kind: str) -> None:
        from assay.vocabulary import ColumnKind

        self.kind = ColumnKind(kind)


DECLARED = {name: Declared("category") for name in ("id", "code", "level")} | {"whole": Declared("numeric")}


def profiled(table: pa.Table) -> Profile:
    summaries = Tabular().summarise(table, np.arange(ROWS), 0)
    return Tabular().profile(summaries, "y", None, DECLARED, None)


def same(left: Batch, right: Batch) -> None:
    assert left.meaning.keys() == right.meaning.keys()
    for name, array in left.columns.items():
        np.testing.assert_array_equal(array, right.columns[name], err_msg=name)
        assert array.dtype == right.columns[name].dtype
    np.testing.assert_array_equal(left.label_N, right.label_N)


@settings(max_examples=15, deadline=None)
@given(table=tables())
def test_the_same_bits_come_from_every_form(table: pa.Table, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("forms")
    profile = profiled(table)
    expected = Tabular().to_batch(table, profile)
    for name, form in FORMS.items():
        made = form(table, folder)
        again = profiled(made.select(table.column_names))
        for column in profile.columns:
            other = again.column(column.name)
            assert (column.kind, column.levels, column.num_missing, column.dropped) == (
                (other.kind, other.levels, other.num_missing, other.dropped)
            ), (name, column.name)
        assert again.label.classes == profile.label.classes == ("0", "1"), name
        same(expected, Tabular().to_batch(made, profile))
        same(expected.take(np.array([3])), Tabular().to_batch(made.slice(3, 1), profile, np.array([3])))
