"""One Arrow column to its canonical array (see `batch.COLUMN_DTYPE`), or to the fault that prevents it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import Fault
from assay.kinds import _few
from assay.kinds._columns import BOOLEAN, DATETIME, NUMBER, Stored, canonical_text, stored
from assay.kinds._few import MOST
from assay.profile import ColumnProfile
from assay.vocabulary import MISSING_CODE, ColumnKind

NOT_A_TIME = np.iinfo(np.int64).min
WORDS = {"number": "numbers", "boolean": "true/false", "datetime": "dates", "string": "text", "nothing": "nothing"}
EXPECTED = {
    ColumnKind.NUMERIC: "numbers",
    ColumnKind.BOOLEAN: "true/false",
    ColumnKind.CATEGORY: "text or numbers",
    ColumnKind.DATETIME: "dates",
    ColumnKind.TEXT: "text",
}


def to_array(
    column: pa.ChunkedArray | pa.Array, profile: ColumnProfile, row_N: np.ndarray | None = None
) -> np.ndarray | Fault:
    """Return the canonical array of a column (see `batch.COLUMN_DTYPE`), or the fault that prevents it.

    A fault names the first bad row by its id in `row_N`, or by its place when there are none.
    """
    few = _few.to_array(column, profile) if len(column) <= _few.FEW else None
    if few is not None:
        return few
    try:
        return _converted(column, profile)
    except _Mismatch as error:
        return error.fault(profile, row_N)


def _converted(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> np.ndarray:
    value = stored(column)
    if value.type == "nothing":
        value = Stored("string", pc.cast(value.array, pa.string()))
    if value.type == "other":
        raise _Mismatch(str(column.type))
    if profile.kind is ColumnKind.CATEGORY:
        return to_codes(canonical_text(value), profile.levels)
    convert = {
        ColumnKind.NUMERIC: _to_numeric,
        ColumnKind.BOOLEAN: _to_boolean,
        ColumnKind.DATETIME: _to_datetime,
        ColumnKind.TEXT: _to_text,
    }[profile.kind]
    found: np.ndarray = convert(value)
    return found


def to_text(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return any values as text, empty where missing."""
    found: np.ndarray = pc.fill_null(canonical_text(stored(column)), "").to_numpy(zero_copy_only=False).astype(object)
    return found


def canonical_sample(values: Sequence[Any], profile: ColumnProfile) -> tuple[Any, ...]:
    """Return sampled values as their kind has them, in any file: numbers, true/false, microseconds or text."""
    stored_times = profile.kind is ColumnKind.DATETIME and not any(isinstance(value, str) for value in values)
    array = pa.array(values, pa.timestamp("us") if stored_times else None)
    if profile.kind in (ColumnKind.CATEGORY, ColumnKind.TEXT):
        return tuple(canonical_text(stored(array)).to_pylist())
    found = to_array(array, profile)
    if isinstance(found, Fault):
        return ()  # the fault is told with the column's other faults
    missing_N = found == NOT_A_TIME if profile.kind is ColumnKind.DATETIME else np.isnan(found)
    if profile.kind is ColumnKind.BOOLEAN:
        found = found == 1
    return tuple(None if missing else value for missing, value in zip(missing_N.tolist(), found.tolist(), strict=True))


def to_plain(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> list[Any] | Fault:
    """Return the values of a column as JSON has them, typed as its kind is, None where missing; or its fault."""
    if profile.kind in (ColumnKind.CATEGORY, ColumnKind.TEXT):
        text: list[Any] = canonical_text(stored(column)).to_pylist()
        return text
    if profile.kind is ColumnKind.DATETIME:
        return _plain_times(column)
    found = to_array(column, profile)
    if isinstance(found, Fault):
        return found
    plain = [None if value != value else value for value in found.tolist()]  # NaN is not equal to itself
    if profile.kind is ColumnKind.BOOLEAN:
        return [None if value is None else bool(value) for value in plain]
    return [int(value) if value is not None and value.is_integer() else value for value in plain]


def _plain_times(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return times as text, days without a time where all of them are whole days."""
    value = stored(column)
    if value.type != "datetime":
        return list(value.array.to_pylist())
    times = value.array.to_pylist()
    days = all(time is None or (time.hour, time.minute, time.second, time.microsecond) == (0,) * 4 for time in times)
    return [None if time is None else (time.date() if days else time).isoformat() for time in times]


def to_codes(text: pa.Array, levels: tuple[str, ...]) -> np.ndarray:
    """Return int32 codes of levels; MISSING_CODE where missing, len(levels) where the level is unseen."""
    codes = pc.fill_null(pc.index_in(text, value_set=pa.array(levels, pa.string())), len(levels)).to_numpy()
    found: np.ndarray = np.where(np.asarray(text.is_null()), MISSING_CODE, codes).astype(np.int32)
    return found


def _to_numeric(value: Stored) -> np.ndarray:
    array = value.array
    if value.type == "string":
        good = pc.match_substring_regex(array, NUMBER)
        if pc.any(pc.invert(good)).as_py():
            raise _bad("text", array, good)
        array = pc.cast(array, pa.float64())
    elif value.type == "boolean":
        array = pc.cast(array, pa.float64())
    elif value.type == "datetime":
        raise _Mismatch("dates")
    numbers_N: np.ndarray = pc.cast(array, pa.float64()).to_numpy(zero_copy_only=False)
    beyond_N = np.abs(numbers_N) > MOST
    if beyond_N.any():
        place = int(np.flatnonzero(beyond_N)[0])
        raise _Mismatch("infinite numbers" if np.isinf(numbers_N[place]) else f"numbers beyond {MOST:.1e}", place)
    return numbers_N


def _to_boolean(value: Stored) -> np.ndarray:
    if value.type == "boolean":
        truth_N: np.ndarray = pc.cast(value.array, pa.float64()).to_numpy(zero_copy_only=False)
        return truth_N
    if value.type == "number":
        good = pc.is_in(value.array, pa.array([0.0, 1.0]))
        if pc.all(pc.or_(good, value.array.is_null())).as_py() is not False:
            found_N: np.ndarray = value.array.to_numpy(zero_copy_only=False)
            return found_N
        raise _bad("numbers", value.array, pc.or_(good, value.array.is_null()))
    if value.type == "string":
        words = list(BOOLEAN)
        code_N = to_codes(pc.utf8_lower(value.array), tuple(words))
        if (code_N == len(words)).any():
            raise _bad("text", value.array, pa.array(code_N < len(words)))
        table_K = np.array([*(BOOLEAN[word] for word in words), np.nan])
        found: np.ndarray = table_K[code_N]
        return found
    raise _Mismatch(WORDS[value.type])


def _to_datetime(value: Stored) -> np.ndarray:
    array = value.array
    if value.type == "string":
        good = pc.match_substring_regex(array, DATETIME)
        if pc.any(pc.invert(good)).as_py():
            raise _bad("text", array, good)
        try:
            array = _parse_times(array)
        except pa.ArrowInvalid as error:
            raise _Mismatch("text", detail=str(error).split("\n")[0]) from None
    elif value.type != "datetime":
        raise _Mismatch(WORDS[value.type])
    found: np.ndarray = pc.fill_null(pc.cast(array, pa.int64()), int(NOT_A_TIME)).to_numpy(zero_copy_only=False)
    return found


def _parse_times(text: pa.Array) -> pa.Array:
    """Parse ISO 8601 to the microsecond; times with a zone are turned to UTC, times without are taken as they are."""
    text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
    with_zone = pc.match_substring_regex(text, r"(Z|[+-]\d{2}:?\d{2})$")
    with_zone = pc.and_(with_zone, pc.greater(pc.utf8_length(text), 10))
    none = pa.scalar(None, pa.string())
    plain = pc.cast(pc.if_else(with_zone, none, text), pa.timestamp("us"))
    zoned = pc.cast(pc.if_else(with_zone, text, none), pa.timestamp("us", "UTC"))
    return pc.coalesce(plain, pc.cast(zoned, pa.timestamp("us")))


def _to_text(value: Stored) -> np.ndarray:
    if value.type != "string":
        raise _Mismatch(WORDS[value.type])
    found: np.ndarray = pc.fill_null(value.array, "").to_numpy(zero_copy_only=False).astype(object)
    return found


class _Mismatch(Exception):
    """A column holds something else than its kind; `place` is where the first such value stands."""

    def __init__(self, found: str, place: int | None = None, value: Any = None, detail: str = "") -> None:
        super().__init__(found)
        self.found, self.place, self.value, self.detail = found, place, value, detail

    def fault(self, profile: ColumnProfile, row_N: np.ndarray | None) -> Fault:
        detail = self.detail
        if self.place is not None:
            row = self.place if row_N is None else row_N[self.place]
            detail = f"first: row {row}" if self.value is None else f"first: {self.value!r} in row {row}"
        suffix = f" ({detail})" if detail else ""
        return Fault(f"column '{profile.name}'", f"found {self.found}, expected {EXPECTED[profile.kind]}{suffix}")


def _bad(found: str, array: pa.Array, good: pa.Array) -> _Mismatch:
    place = int(np.flatnonzero(~np.asarray(pc.fill_null(good, True)))[0])
    return _Mismatch(found, place, array[place].as_py())
