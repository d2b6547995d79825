"""Rows that lack, and rows that are there twice, made good as the experiment file says; never by what comes later.

A value that lacks becomes 0 or the value before it: a mean of its neighbours would tell of the time after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from assay.errors import DataFault
from assay.forecasting.clock import Clock
from assay.forecasting.series import numbers, series_codes

ERROR = "error"
MOST_ADDED = 1_000_000  # rows that may be added, and more where there are many: two times far apart are a mistake
MOST_ADDED_EACH = 20  # for each row there is


def repaired(
    table: pa.Table, columns: Sequence[str], time: str, label: str, clock: Clock, *, gaps: str, twice: str
) -> tuple[pa.Table, np.ndarray]:
    """Return rows of every time between the first and the last of each series, once; and the row that each is made of.

    `gaps` is error, zero or last; `twice` is error, sum, mean or last; what "error" leaves is refused when the rows are
    split into series. A row that is added has the other columns of the one before it.

    Raises:
        DataFault: a time is missing, falls between two steps or is far from all others, or a value of the label is no
            number.
    """
    if ERROR == gaps == twice:
        return table, np.arange(table.num_rows)
    index_N = clock.index(table.column(time), f"column '{time}'")
    code_N, _ = series_codes(table, columns)
    has_label = label in table.column_names
    y_N = numbers(table.column(label), f"label '{label}'") if has_label else np.full(table.num_rows, np.nan)
    row_N = np.lexsort((np.arange(table.num_rows), index_N, code_N))
    value_N = y_N[row_N]
    if twice != ERROR:
        row_N, value_N = _once(row_N, value_N, index_N, code_N, twice)
    added_N = np.zeros(len(row_N), np.int64)  # steps after the row that each is made of
    if gaps != ERROR:
        row_N, value_N, added_N = _whole(row_N, value_N, index_N, code_N, gaps)
    made = table.take(pa.array(row_N))
    if added_N.any():
        made = made.set_column(made.column_names.index(time), time, clock.column(index_N[row_N] + added_N))
    if has_label:
        made = made.set_column(made.column_names.index(label), label, pa.array(value_N, from_pandas=True))
    return made.combine_chunks(), row_N


def _once(
    row_N: np.ndarray, value_N: np.ndarray, index_N: np.ndarray, code_N: np.ndarray, twice: str
) -> tuple[np.ndarray, np.ndarray]:
    """Join neighbours of one series and time; the last of them gives the other columns."""
    new_N = np.ones(len(row_N), bool)
    new_N[1:] = (np.diff(index_N[row_N]) != 0) | (np.diff(code_N[row_N]) != 0)
    begin_n = np.flatnonzero(new_N)
    last_n = np.append(begin_n[1:], len(row_N)) - 1
    if twice == "last":
        return row_N[last_n], value_N[last_n]
    total_n = np.add.reduceat(value_N, begin_n)
    return row_N[last_n], total_n if twice == "sum" else total_n / (last_n - begin_n + 1)


def _whole(
    row_N: np.ndarray, value_N: np.ndarray, index_N: np.ndarray, code_N: np.ndarray, gaps: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add the times that lack, and fill in values that lack before the last one of their series."""
    gap_N = np.ones(len(row_N), np.int64)
    gap_N[:-1] = np.diff(index_N[row_N])
    gap_N[np.append(np.diff(code_N[row_N]) != 0, True)] = 1  # rows after the last of a series belong to the next
    gap_N = np.maximum(gap_N, 1)  # of a time that is there twice
    lacking = int(gap_N.sum()) - len(gap_N)
    if lacking > max(MOST_ADDED, MOST_ADDED_EACH * len(gap_N)):
        before = row_N[int(np.argmax(gap_N))]
        raise DataFault.at(
            "the series", f"lack {lacking:,} times (most after row {before})", "see whether a time is wrong there"
        )
    source_M = np.repeat(np.arange(len(row_N)), gap_N)
    added_M = np.arange(len(source_M)) - np.repeat(np.cumsum(gap_N) - gap_N, gap_N)
    value_M = np.where(added_M > 0, np.nan, value_N[source_M])
    first_n = np.flatnonzero(np.diff(code_N[row_N[source_M]])) + 1  # rows come series by series
    for y_T in np.split(value_M, first_n):
        y_T[:] = _filled(y_T, gaps)
    return row_N[source_M], value_M, added_M


def _filled(y_T: np.ndarray, gaps: str) -> np.ndarray:
    there_n = np.flatnonzero(~np.isnan(y_T))
    if not len(there_n):
        return y_T
    position_T = np.arange(len(y_T))
    before_T = np.maximum.accumulate(np.where(np.isnan(y_T), -1, position_T))
    fill_T = np.where(before_T >= 0, y_T[np.maximum(before_T, 0)], np.nan) if gaps == "last" else np.zeros(len(y_T))
    hole_T = np.isnan(y_T) & (position_T < there_n[-1])
    found: np.ndarray = np.where(hole_T, fill_T, y_T)
    return found
