"""One Arrow column to its canonical array (see `batch.COLUMN_DTYPE`), or to the fault that prevents it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import cells
from assay.cells import NOT_A_TIME, Mismatch, canonical_text, stored
from assay.errors import Fault
from assay.kinds import _few
from assay.profile import ColumnProfile
from assay.vocabulary import MISSING_CODE, ColumnKind

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
    except Mismatch as error:
        return _fault(error, profile, row_N)


def _converted(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> np.ndarray:
    value = stored(column)
    if profile.kind is ColumnKind.CATEGORY:
        if value.type == "other":
            raise Mismatch(cells.type_word(value.array.type))
        return profile.known_levels.codes(canonical_text(value))
    words = profile.missing
    if profile.kind is ColumnKind.NUMERIC:
        return cells.to_numbers(value, words, profile.written, seconds=profile.seconds)
    if profile.kind is ColumnKind.DATETIME:
        return cells.to_times(value, words, profile.written)
    return cells.to_truth(value, words) if profile.kind is ColumnKind.BOOLEAN else cells.to_texts(value, words)


def to_text(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return any values as text, empty where missing."""
    found: np.ndarray = pc.fill_null(canonical_text(stored(column)), "").to_numpy(zero_copy_only=False).astype(object)
    return found


def canonical_sample(values: Sequence[Any], profile: ColumnProfile) -> tuple[Any, ...]:
    """Return sampled values as their kind has them, in any file: numbers, true/false, microseconds or text."""
    array = _sampled(values, profile)
    if profile.kind is ColumnKind.TEXT:
        return tuple(canonical_text(stored(array)).to_pylist())
    found = to_array(array, profile)
    if isinstance(found, Fault):
        return ()  # the fault is told with the column's other faults
    if profile.kind is ColumnKind.CATEGORY:
        text = canonical_text(stored(array)).to_pylist()  # of levels too many to be kept
        pairs = zip(found.tolist(), text, strict=True)
        return tuple(
            None if code == MISSING_CODE else profile.levels[code] if code < len(profile.levels) else word
            for code, word in pairs
        )
    missing_N = found == NOT_A_TIME if profile.kind is ColumnKind.DATETIME else np.isnan(found)
    if profile.kind is ColumnKind.BOOLEAN:
        found = found == 1
    return tuple(None if missing else value for missing, value in zip(missing_N.tolist(), found.tolist(), strict=True))


def _sampled(values: Sequence[Any], profile: ColumnProfile) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if profile.kind is ColumnKind.DATETIME and str not in kinds:
        return pa.array(values, pa.timestamp("us"))
    if kinds <= {int, float, Decimal} and len(kinds) > 1:
        return pa.array([None if value is None else float(value) for value in values])
    if kinds == {int}:
        return cells.from_values(profile.name, values)
    return pa.array(values)


def to_plain(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> list[Any] | Fault:
    """Return the values of a column as JSON has them, typed as its kind is, None where missing; or its fault."""
    if profile.kind in (ColumnKind.CATEGORY, ColumnKind.TEXT):
        text: list[Any] = cells.without_words(canonical_text(stored(column)), profile.missing).to_pylist()
        return text
    if profile.kind is ColumnKind.DATETIME:
        return _plain_times(column, profile)
    found = to_array(column, profile)
    if isinstance(found, Fault):
        return found
    plain = [None if value != value else value for value in found.tolist()]  # NaN is not equal to itself
    if profile.kind is ColumnKind.BOOLEAN:
        return [None if value is None else bool(value) for value in plain]
    return [int(value) if value is not None and value.is_integer() else value for value in plain]


def _plain_times(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> list[Any]:
    """Return times as text, days without a time where all of them are whole days."""
    value = stored(column)
    if value.type == "string":
        return list(cells.without_words(value.array, profile.missing).to_pylist())
    times = value.array.to_pylist()
    if value.type != "datetime":
        return list(times)
    days = all(time is None or (time.hour, time.minute, time.second, time.microsecond) == (0,) * 4 for time in times)
    return [None if time is None else (time.date() if days else time).isoformat() for time in times]


def _fault(error: Mismatch, profile: ColumnProfile, row_N: np.ndarray | None) -> Fault:
    where = ""
    if error.position is not None:
        row = error.position if row_N is None else row_N[error.position]
        where = f" (first: row {row})" if error.value is None else f" (first: {error.value!r} in row {row})"
    return Fault(
        f"column '{profile.name}'", f"found {error.found}, expected {EXPECTED[profile.kind]}{where}", error.fix
    )
