"""What `assay init` decides about rows in order of time: a forecast of series, or models judged on the newest rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa

from assay.cells import Mismatch, stored, to_numbers
from assay.errors import AssayError
from assay.forecasting.clock import Clock
from assay.forecasting.series import series_codes
from assay.forecasting.written import Times, read_times
from assay.workflows.column_choices import KeyChoice

HORIZONS = {"hours": 24, "days": 14, "open days": 10, "weeks": 8, "months": 12, "quarters": 4}
FEWEST_TIMES = 20
FEWEST_STEPS = 10  # of each series, on average
SPARSE = 0.5  # share of the steps that have rows, below which those without are taken for nothing: demand on few days
FEWEST_PARTS = 2  # of a time
MOST_IDS = 2  # columns that tell series apart
PARTS_OF_TIME = ("year", "month", "day", "hour", "minute")


def time_choices(table: pa.Table, label: str) -> list[KeyChoice]:
    """Return what to write for rows in order of time; nothing where no column orders them.

    A forecast is proposed where a number is all there is beside a time and the columns that tell series apart.
    """
    others = [name for name in table.column_names if name != label]
    times = {name: read for name in others if (read := _times(table.column(name))) is not None}
    numbering = [name for name in others if _numbers_rows(table.column(name))]
    if times and _is_number(table.column(label)):
        time = next(iter(times))
        ids = [name for name in others if name != time and name not in numbering]
        if (forecast := _forecast(table, label, time, ids)) is not None:
            return forecast
    for name, known in times.items():
        step_n = np.diff(known.instant_N)
        if len(step_n) >= FEWEST_TIMES and ((step_n >= 0).all() or (step_n <= 0).all()) and step_n.any():
            return [_newest(name, f"the rows are in the order of '{name}'")]
    if (parts := _parts_in_order(table, others)) and numbering:
        return [
            _newest(numbering[0], f"the rows are in the order of {', '.join(parts)}, and '{numbering[0]}' numbers them")
        ]
    return []


def _newest(name: str, found: str) -> KeyChoice:
    return KeyChoice(("data", "time"), name, f"{found}: models are judged on the newest, as they will be used")


def _times(column: pa.ChunkedArray) -> Times | None:
    """Return the times of a column without gaps that holds dates or times; None of any other."""
    if stored(column).type not in ("datetime", "string"):
        return None
    with suppress(AssayError):
        found = read_times(column, "column")
        return found if found.are_times and len(np.unique(found.number_N)) > 1 else None
    return None


def _numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return a column of numbers, also where they are text; None of any other."""
    value = stored(column)
    if value.type in ("number", "string"):
        with suppress(Mismatch):
            return to_numbers(value)
    return None


def _is_number(column: pa.ChunkedArray) -> bool:
    number_N = _numbers(column)
    return number_N is not None and not np.isnan(number_N).all()


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    number_N = _numbers(column)
    return number_N is not None and len(number_N) > 1 and bool((np.diff(number_N) == 1).all())


def _parts_in_order(table: pa.Table, names: Sequence[str]) -> list[str]:
    """Return columns named year, month, day and so on that together put the rows in order; none where they do not."""
    by_name = {name.lower(): name for name in names}
    parts = [by_name[part] for part in PARTS_OF_TIME if part in by_name]
    if len(parts) < FEWEST_PARTS or by_name.get("year") not in parts:
        return []
    number_N = np.zeros(table.num_rows)
    for name in parts:
        part_N = _numbers(table.column(name))
        if part_N is None:
            return []
        number_N = number_N * 100 + part_N
    return parts if (np.diff(number_N) >= 0).all() and not np.isnan(number_N).any() else []


def _forecast(table: pa.Table, label: str, time: str, ids: Sequence[str]) -> list[KeyChoice] | None:
    """Return the decision for a forecast; None where columns are no ids, or times are not at steps."""
    if len(ids) > MOST_IDS or any(stored(table.column(name)).type == "other" for name in ids):
        return None
    code_N, names = series_codes(table, ids)
    if table.num_rows < max(FEWEST_TIMES, FEWEST_STEPS * len(names)):
        return None
    filled = bool(table.column(label).null_count)
    place = f"column '{time}'"
    for gaps in ("last",) if filled else ("error", "last"):
        with suppress(AssayError):
            clock = Clock.learn(table.column(time), code_N, place, filled=gaps != "error")
            index_N, _ = clock.index(table.column(time), place, code_N)
            if len(np.unique(np.stack([code_N, index_N], axis=1), axis=0)) < len(index_N):
                return None  # a time that is there twice: the columns do not tell series apart
            length = int(np.median(np.bincount(code_N)))
            horizon = max(1, min(HORIZONS.get(clock.word, length // 10), int(0.8 * length - 14) // 3))
            spec: dict[str, Any] = {"horizon": horizon, **({"series": list(ids)} if ids else {})}
            whole = all(_is_whole(index_N[code_N == code]) for code in range(min(len(names), 100)))
            if gaps == "error" and not whole:
                continue
            if gaps != "error":
                steps = sum(np.ptp(index_N[code_N == code]) + 1 for code in range(len(names)))
                spec["gaps"] = "zero" if table.num_rows < SPARSE * steps else "last"
            rest = f", and {' and '.join(repr(name) for name in ids)} to tell series apart" if ids else ""
            found = f"'{label}' is all there is beside times in steps of {clock.said}{rest}"
            return [
                KeyChoice(("data", "time"), time, f"'{time}' holds the times"),
                KeyChoice(("forecast",), spec, f"{found}: its next {horizon} values are forecast"),
            ]
    return None


def _is_whole(index_n: np.ndarray) -> bool:
    return bool((np.diff(np.sort(index_n)) == 1).all())
