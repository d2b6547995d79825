"""Rows that lack, and rows that are there twice, made good as the experiment file says; never by what comes later.

A value that lacks becomes 0 or the value before it: a mean of its neighbours would tell of the time after it. Models
may learn from such values; none is ever scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from assay.errors import DataFault
from assay.forecasting.clock import Clock
from assay.forecasting.series import numbers, series_codes

ERROR = "error"
MOST_ADDED = 1_000_000  # rows that may be added, and more where there are many: two times far apart are a mistake
MOST_ADDED_EACH = 20  # for each row there is


@dataclass(frozen=True)
class Repaired:
    """Rows of series made good, the row of the original that each is made of, and whether its value was filled in."""

    table: pa.Table
    source_N: np.ndarray
    filled_N: np.ndarray


def repaired(
    table: pa.Table, columns: Sequence[str], time: str, label: str, clock: Clock, *, gaps: str, twice: str
) -> Repaired:
    """Return rows of every time between the first and the last of each series, once.

    `gaps` is error, zero or last; `twice` is error, sum, mean or last; what "error" leaves is refused when the rows are
    split into series. A row that is added has the other columns of the one before it. With `last` a series begins at
    its first value.

    Raises:
        DataFault: a time is missing, falls between two steps or is far from all others, or a value of the label is no
            number.
    """
    if ERROR == gaps == twice:
        return Repaired(table, np.arange(table.num_rows), np.zeros(table.num_rows, bool))
    code_N, _ = series_codes(table, columns)
    index_N, phase_N = clock.index(table.column(time), f"column '{time}'", code_N)
    has_label = label in table.column_names
    y_N = numbers(table.column(label), f"label '{label}'") if has_label else np.full(table.num_rows, np.nan)
    row_N = np.lexsort((np.arange(table.num_rows), index_N, code_N))
    value_N = y_N[row_N]
    if twice != ERROR:
        row_N, value_N = _once(row_N, value_N, index_N, code_N, twice)
    added_N, filled_N = np.zeros(len(row_N), np.int64), np.zeros(len(row_N), bool)
    if gaps != ERROR:
        row_N, value_N, added_N, filled_N = _whole(row_N, value_N, index_N, code_N, gaps)
    made = table.take(pa.array(row_N))
    if added_N.any():
        when = clock.column(index_N[row_N] + added_N, phase_N[row_N])
        made = made.set_column(made.column_names.index(time), time, when)
    if has_label:
        made = made.set_column(made.column_names.index(label), label, pa.array(value_N, from_pandas=True))
    return Repaired(made.combine_chunks(), row_N, filled_N)


def _once(
    row_N: np.ndarray, value_N: np.ndarray, index_N: np.ndarray, code_N: np.ndarray, twice: str
) -> tuple[np.ndarray, np.ndarray]:
    """Join values of one series and time, whichever are there; the last row gives the other columns."""
    new_N = np.ones(len(row_N), bool)
    new_N[1:] = (np.diff(index_N[row_N]) != 0) | (np.diff(code_N[row_N]) != 0)
    begin_n = np.flatnonzero(new_N)
    last_n = np.append(begin_n[1:], len(row_N)) - 1
    if twice == "last":
        newest_N = np.maximum.accumulate(np.where(np.isnan(value_N), -1, np.arange(len(row_N))))[last_n]
        return row_N[last_n], np.where(newest_N >= begin_n, value_N[np.maximum(newest_N, 0)], np.nan)
    there_N = ~np.isnan(value_N)
    count_n = np.add.reduceat(there_N.astype(np.int64), begin_n)
    total_n = np.where(count_n > 0, np.add.reduceat(np.where(there_N, value_N, 0.0), begin_n), np.nan)
    return row_N[last_n], total_n if twice == "sum" else total_n / np.maximum(count_n, 1)


def _whole(
    row_N: np.ndarray, value_N: np.ndarray, index_N: np.ndarray, code_N: np.ndarray, gaps: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Add the times that lack, and fill in values that lack before the last one of their series.

    Returned are the rows that each is made of, the values, the steps after those rows, and which values are filled in.
    """
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
    kept_M, filled_M = np.ones(len(value_M), bool), np.isnan(value_M)
    for y_T, kept_T in zip(np.split(value_M, first_n), np.split(kept_M, first_n), strict=True):
        if gaps == "last" and not np.isnan(y_T).all():
            kept_T[: np.argmax(~np.isnan(y_T))] = False  # nothing is before them
        y_T[:] = _filled(y_T, gaps)
    filled_M &= ~np.isnan(value_M)
    return row_N[source_M][kept_M], value_M[kept_M], added_M[kept_M], filled_M[kept_M]


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
