"""Rows to series: which rows belong together, in time, without a gap; or which rows are at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import Mismatch, stored, to_numbers
from assay.errors import DataFault, Fault, did_you_mean, raise_all
from assay.forecasting.clock import Clock

MAX_TOLD = 5  # faults of one kind; more say nothing new


@dataclass(frozen=True)
class Series:
    """One series: its values in order of time, NaN for those to come, and where each stands in the table.

    `first` is the step of the first value; `known` is how many values there are before those to come.
    """

    name: str
    first: int
    row_T: np.ndarray
    y_T: np.ndarray
    known: int


def check_columns(table: pa.Table, names: Sequence[str]) -> None:
    """Check that columns are there.

    Raises:
        DataFault: naming each that is not.
    """
    missing = [name for name in names if name not in table.column_names]
    raise_all(
        DataFault,
        [Fault(f"column '{name}'", "is missing", did_you_mean(name, table.column_names)) for name in missing],
    )


def series_codes(table: pa.Table, columns: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return the code of each row's series and the names of the series; without columns all rows are one series.

    Example:
        >>> code_N, names = series_codes(pa.table({"shop": ["b", "a", "b"]}), ["shop"])
        >>> code_N.tolist(), names
        ([0, 1, 0], ['b', 'a'])
    """
    if not columns:
        return np.zeros(table.num_rows, np.int64), [""]
    parts = [pc.fill_null(pc.cast(table.column(name).combine_chunks(), pa.string()), "") for name in columns]
    joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, " / ")
    encoded = pc.dictionary_encode(joined)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def numbers(column: pa.ChunkedArray, place: str) -> np.ndarray:
    """Return the values of the label, NaN where missing.

    Raises:
        DataFault: a value is not a finite number.
    """
    try:
        return to_numbers(stored(column))
    except Mismatch as error:
        value = "" if error.value is None else f": {error.value!r}"
        where = "" if error.position is None else f" in row {error.position}"
        raise DataFault.at(
            place, f"holds {error.found}, expected numbers (first{where}{value})", "clean the column"
        ) from None


def split(table: pa.Table, columns: Sequence[str], time: str, label: str, clock: Clock) -> list[Series]:
    """Return the series of a table, in the order in which they first appear; rows may come in any order.

    Raises:
        DataFault: every gap, every time that is there twice and every missing value between others, with its row.
    """
    check_columns(table, [*columns, time])
    index_N = clock.index(table.column(time), f"column '{time}'")
    has_label = label in table.column_names
    y_N = numbers(table.column(label), f"label '{label}'") if has_label else np.full(table.num_rows, np.nan)
    code_N, names = series_codes(table, columns)
    found, faults = [], []
    order_N = np.lexsort((index_N, code_N))
    for name, row_T in zip(names, np.split(order_N, np.cumsum(np.bincount(code_N))[:-1]), strict=True):
        y_T = y_N[row_T]
        present_n = np.flatnonzero(~np.isnan(y_T))
        known = int(present_n[-1]) + 1 if len(present_n) else 0
        faults += _faults(
            f"series '{name}'" if columns else f"column '{time}'", row_T, index_N[row_T], y_T, known, clock
        )
        found.append(Series(name, int(index_N[row_T[0]]), row_T, y_T, known))
    raise_all(DataFault, faults[:MAX_TOLD])
    return found


def _faults(
    place: str, row_T: np.ndarray, index_T: np.ndarray, y_T: np.ndarray, known: int, clock: Clock
) -> list[Fault]:
    gap_n, found = np.diff(index_T), []
    if (gap_n == 0).any():
        at = int(np.flatnonzero(gap_n == 0)[0])
        when = clock.column(index_T[at : at + 1])[0].as_py()
        found.append(
            Fault(
                place,
                f"has {when} twice (rows {row_T[at]} and {row_T[at + 1]})",
                "name the columns that tell series apart: `forecast: {series: […]}`, or have such rows joined: "
                "`forecast: {twice: sum}`, `mean` or `last`",
            )
        )
    if (gap_n > 1).any():
        at = int(np.flatnonzero(gap_n > 1)[0])
        before, after = (value.as_py() for value in clock.column(index_T[at : at + 2]))
        found.append(
            Fault(
                place,
                f"lacks {int((gap_n[gap_n > 1] - 1).sum()):,} times at steps of {clock.said} (first: between {before} "
                f"in row {row_T[at]} and {after} in row {row_T[at + 1]})",
                "add the rows, or have them filled in: `forecast: {gaps: zero}` or `last`",
            )
        )
    hole_n = np.flatnonzero(np.isnan(y_T[:known]))
    if len(hole_n):
        when = clock.column(index_T[hole_n[:1]])[0].as_py()
        found.append(
            Fault(
                place,
                f"has no value in {len(hole_n):,} rows before its last value (first: {when} in row {row_T[hole_n[0]]})",
                "fill them in, or have them filled in: `forecast: {gaps: zero}` or `last`",
            )
        )
    return found
