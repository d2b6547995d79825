"""From values as clients send them to a table with the columns and types that the model was trained on.

JSON is typed, so types are held to: a number in quotes is text. What may be missing, and what was never seen in
training, is no fault: the model knows what to do with it.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from math import isnan
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import DataFault, Fault, raise_all
from assay.profile import ColumnProfile, Profile
from assay.vocabulary import ColumnKind
from assay_serving.faults import RequestFault, bad_request
from assay_serving.settings import MAX_ROWS

Arrays = Mapping[str, "pa.Array | Fault"]  # by column: what was sent, or why it is no column

EXPECTED = {
    ColumnKind.NUMERIC: "numbers",
    ColumnKind.BOOLEAN: "true/false",
    ColumnKind.CATEGORY: "text",
    ColumnKind.DATETIME: "dates as text (ISO 8601)",
    ColumnKind.TEXT: "text",
    ColumnKind.SERIES: "series: lists of numbers, or of steps that are lists of channels",
    ColumnKind.IMAGE: "images: base64 text of a file, or pixels as lists of lists",
}
WORDED = {ColumnKind.BOOLEAN, ColumnKind.CATEGORY, ColumnKind.DATETIME, ColumnKind.TEXT}  # NaN can only mean missing
MAIN = {ColumnKind.NUMERIC: "number", ColumnKind.CATEGORY: "text"}  # the other kinds say themselves what they read
NESTED = {ColumnKind.IMAGE, ColumnKind.SERIES}
LOOKS_NUMERIC = re.compile(r"-?\d+(\.\d+)?$")


def to_array(name: str, values: Sequence[Any], column: ColumnProfile | None = None) -> pa.Array | Fault:
    """Return the JSON values of one column as an Arrow array of one type, or what is wrong with them.

    `column` is what the model knows of it: some columns may mix types, such as a category with levels `7` and `7a`.
    """
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass
    if any(map(_is_nan, values)) and not all(_kind(value) in ("number", "nothing") for value in values):
        # pandas writes it for a missing value of any type
        return to_array(name, [None if _is_nan(value) else value for value in values], column)
    kinds = {_kind(value): position for position, value in reversed(list(enumerate(values))) if value is not None}
    if kinds.keys() <= {"number"}:  # whole and broken numbers beyond 2**53 do not mix in Arrow
        return _as_floats(name, values)
    if kinds.keys() == {"list"}:
        row = _odd_list(values)
        return Fault(f"column '{name}'", f"found {described(values[row])} in row {row}, unlike the lists before it")
    if column is not None and kinds.keys() - {"text"} <= also_read(column):
        return pa.array([_word(value, column) for value in values], pa.string())
    parts = [f"{described(values[row])} in row {row}" for row in sorted(kinds.values())]
    return Fault(f"column '{name}'", f"found a mixture of {' and '.join(parts)}")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and isnan(value)


def also_read(column: ColumnProfile) -> frozenset[str]:
    """Return what a column of words reads beside text: what its levels in training were made of.

    `yes` and `no` are read for true/false as well, and so are 1 and 0: a file may have had them.
    """
    if column.kind is ColumnKind.BOOLEAN:
        return frozenset({"number", "true/false"})
    if column.kind is not ColumnKind.CATEGORY:
        return frozenset()
    numbers = any(LOOKS_NUMERIC.match(level) for level in column.levels)
    truth = not {"true", "false"}.isdisjoint(column.levels)
    return frozenset({"number"} if numbers else ()) | frozenset({"true/false"} if truth else ())


def _word(value: Any, column: ColumnProfile) -> str | None:
    """Return a value of a mixture as the text that the same value alone would be."""
    if value is None:
        return None
    if column.kind is ColumnKind.BOOLEAN and not isinstance(value, str) and value in (0, 1):
        return "true" if value else "false"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _odd_list(values: Sequence[Any]) -> int:
    """Return the first row whose list does not go with those before it."""
    return bisect_left(range(len(values)), True, key=lambda row: not _fits(values[: row + 1]))


def _fits(values: Sequence[Any]) -> bool:
    try:
        pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def to_table(arrays: Arrays, profile: Profile, *, typed: bool = True) -> pa.Table:
    """Return the columns the model reads; others are left out. `typed` is false for forms where all is text (CSV).

    Raises:
        DataFault: with one fault for each column that is missing or of another type than in training.
    """
    faults, kept = [], {}
    for column in profile.used:
        found = _checked(column, arrays.get(column.name), typed)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            kept[column.name] = found
    raise_all(DataFault, faults)
    return pa.table(kept)


def _checked(column: ColumnProfile, found: pa.Array | Fault | None, typed: bool) -> pa.Array | Fault:
    expected = f"expected {EXPECTED[column.kind]}"
    if found is None:
        return Fault(f"column '{column.name}'", f"is missing, {expected}", "send it; its values may be null")
    if isinstance(found, Fault):
        return replace(found, found=f"{found.found}, {expected}")
    if pa.types.is_binary(found.type) and column.kind is not ColumnKind.IMAGE:
        return Fault(f"column '{column.name}'", f"found bytes that are no UTF-8 text, {expected}")
    if pa.types.is_floating(found.type) and column.kind in WORDED and _all_missing(found):
        return pa.nulls(len(found))
    if pa.types.is_nested(found.type) and column.kind not in NESTED:
        return Fault(f"column '{column.name}'", f"found {found.type}, {expected}")
    if column.kind not in MAIN or not typed or _kind_of(found.type) in {MAIN[column.kind], "other", *also_read(column)}:
        return found
    row = next((row for row, value in enumerate(found) if value.is_valid), None)
    if row is None:
        return found
    value = found[row].as_py()
    fix = "send numbers without quotes" if isinstance(value, str) and LOOKS_NUMERIC.match(value) else ""
    return Fault(f"column '{column.name}'", f"found {described(value)} in row {row}, {expected}", fix)


def _all_missing(found: pa.Array) -> bool:
    return bool(pc.all(pc.is_null(found, nan_is_null=True)).as_py())


def _kind_of(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "true/false"
    if pa.types.is_string(kind):
        return "text"
    return "number" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "other"


def names_for(width: int, profile: Profile) -> list[str]:
    """Return the names of columns that came without: they are taken in the order of the model's own.

    Raises:
        RequestFault: there are more or fewer of them.
    """
    names = [column.name for column in profile.used]
    if width != len(names):
        known = ", ".join(names)
        raise bad_request(f"rows without names have {width} values, the model reads {len(names)}, in order: {known}")
    return names


def check_count(num_rows: int) -> None:
    """Return when this many rows may be answered in one request.

    Raises:
        RequestFault: 400 for none, 413 for too many, naming the verb for batches.
    """
    if num_rows == 0:
        raise bad_request("the request holds no rows; send at least one")
    if num_rows > MAX_ROWS:
        raise RequestFault(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{num_rows:,} rows in one request, at most {MAX_ROWS:,} are answered; "
            "send fewer at a time, or use `assay predict` for a whole file",
        )


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true/false"
        case int() | float():
            return "number"
        case str():
            return "text"
        case bytes():
            return "bytes"
        case list():
            return "list"
        case dict():
            return "object"
        case _:
            return "nothing"


def _as_floats(name: str, values: Sequence[Any]) -> pa.Array | Fault:
    try:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    except OverflowError:
        return Fault(f"column '{name}'", "found a number too large for 64 bits")


def described(value: Any) -> str:
    """Return the type and the value for an error text; cut short, since a client may send a book.

    Example:
        >>> described("abc")
        "text 'abc'"
    """
    literal = isinstance(value, str | bytes | int | float) and not isinstance(value, bool)
    text = repr(value[:40] if isinstance(value, bytes) else value) if literal else json.dumps(value)
    return f"{_kind(value)} {text if len(text) <= 40 else text[:37] + '…'}"
