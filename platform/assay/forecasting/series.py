"""Rows to series: which rows belong together, in time, without a gap; or which rows are at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import Mismatch, canonical_text, stored, to_numbers
from assay.errors import DataFault, Fault, did_you_mean, raise_all
from assay.forecasting.clock import Clock

MAX_TOLD = 5  # faults of one kind; more say nothing new


@dataclass(frozen=True)
class Series:
    """One series: its values in order of time, NaN for those to come, and where each stands in the table.

    `first` is the step of the first value, `phase` where in a step its times lie; `known` is how many values there are
    before those to come.
    """

    name: str
    first: int
    phase: int
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
    texts = [canonical_text(stored(table.column(name))).dictionary_encode() for name in columns]
    parts = [pc.fill_null(text.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1 for text in texts]
    code_N = np.zeros(table.num_rows, np.int64)
    for text, part_N in zip(texts, parts, strict=True):
        pair_N = pa.array(code_N * (len(text.dictionary) + 1) + part_N)
        code_N = pair_N.dictionary_encode().indices.to_numpy().astype(np.int64)  # in the order of first appearance
    first_n = np.full(int(code_N.max(initial=-1)) + 1, table.num_rows)
    np.minimum.at(first_n, code_N, np.arange(table.num_rows))
    words = [["", *text.dictionary.to_pylist()] for text in texts]
    names = [_name([told[part_N[row]] for told, part_N in zip(words, parts, strict=True)]) for row in first_n.tolist()]
    return code_N, names


def _name(parts: Sequence[str]) -> str:
    """Return the name of a series; a slash within a part is doubled, so that no two series have one name."""
    return parts[0] if len(parts) == 1 else " / ".join(part.replace("/", "//") for part in parts)


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
    code_N, names = series_codes(table, columns)
    index_N, phase_N = clock.index(table.column(time), f"column '{time}'", code_N)
    has_label = label in table.column_names
    y_N = numbers(table.column(label), f"label '{label}'") if has_label else np.full(table.num_rows, np.nan)
    found, faults = [], []
    order_N = np.lexsort((index_N, code_N))
    for name, row_T in zip(names, np.split(order_N, np.cumsum(np.bincount(code_N))[:-1]), strict=True):
        y_T = y_N[row_T]
        present_n = np.flatnonzero(~np.isnan(y_T))
        known = int(present_n[-1]) + 1 if len(present_n) else 0
        place, phase = f"series '{name}'" if columns else f"column '{time}'", int(phase_N[row_T[0]])
        found.append(Series(name, int(index_N[row_T[0]]), phase, row_T, y_T, known))
        faults += _faults(place, found[-1], index_N[row_T], clock)
    raise_all(DataFault, faults[:MAX_TOLD])
    return found


def _faults(place: str, one: Series, index_T: np.ndarray, clock: Clock) -> list[Fault]:
    row_T, gap_n, found = one.row_T, np.diff(index_T), []
    if (gap_n == 0).any():
        at = int(np.flatnonzero(gap_n == 0)[0])
        when = clock.column(index_T[at : at + 1], one.phase)[0].as_py()
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
        before, after = (value.as_py() for value in clock.column(index_T[at : at + 2], one.phase))
        found.append(
            Fault(
                place,
                f"lacks {int((gap_n[gap_n > 1] - 1).sum()):,} times at steps of {clock.said} (first: between {before} "
                f"in row {row_T[at]} and {after} in row {row_T[at + 1]})",
                "add the rows, or have them filled in: `forecast: {gaps: zero}` or `last`",
            )
        )
    hole_n = np.flatnonzero(np.isnan(one.y_T[: one.known]))
    if len(hole_n):
        when = clock.column(index_T[hole_n[:1]], one.phase)[0].as_py()
        found.append(
            Fault(
                place,
                f"has no value in {len(hole_n):,} rows before its last value (first: {when} in row {row_T[hole_n[0]]})",
                "fill them in, or have them filled in: `forecast: {gaps: zero}` or `last`",
            )
        )
    return found
