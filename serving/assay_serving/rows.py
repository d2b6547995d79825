"""From values as clients send them to a table with the columns that the model was trained on.

Cells mean what they mean in a file (see `assay.cells`): a number in quotes is a number, `NA` among numbers is missing.
Missing values and levels that were never seen in training are no fault: the model knows what to do with them.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from math import isnan
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import Mismatch, canonical_text, stored, to_numbers, value_of
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
NESTED = {ColumnKind.IMAGE, ColumnKind.SERIES}


@dataclass(frozen=True)
class Elements:
    """The elements of a column one after another, `size` of them for each row."""

    data: Sequence[Any]
    size: int = 1

    def __getitem__(self, row: int) -> Any:
        """Return the first element of a row."""
        return self.data[row * self.size]

    def taken(self, places: Sequence[int]) -> Elements:
        """Return the elements of some rows."""
        return Elements(
            [value for row in places for value in self.data[row * self.size : (row + 1) * self.size]], self.size
        )


@dataclass(frozen=True)
class Sent:
    """The rows of a request as they were sent, by column, before anything is said of their values."""

    num_rows: int
    columns: Mapping[str, Any]  # one item a row: sequences, Arrow arrays or `Elements`
    profile: Profile  # of the columns that are asked for
    to_arrays: Callable[[Mapping[str, Any]], Arrays]

    def table(self, places: np.ndarray | None = None) -> pa.Table:
        """Return all rows, or those at some places, as a table with the columns of the profile.

        Raises:
            DataFault: with one fault for each column that is missing or of another type than in training.
        """
        columns = self.columns
        if places is not None:
            columns = {name: _taken(values, places) for name, values in columns.items()}
        return to_table(self.to_arrays(columns), self.profile)


def _taken(values: Any, places: np.ndarray) -> Any:
    if isinstance(values, pa.Array):
        return values.take(pa.array(places))
    if isinstance(values, Elements):
        return values.taken(places.tolist())
    return [values[place] for place in places.tolist()]


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
    if kinds.keys() <= {"number"} and not (column and column.kind is ColumnKind.CATEGORY):
        # whole and broken numbers beyond 2**53 do not mix in Arrow
        return _as_floats(name, values)
    if kinds.keys() == {"list"}:
        row = _odd_list(values)
        return Fault(f"column '{name}'", f"found {described(values[row])} in row {row}, unlike the lists before it")
    if column is not None and kinds.keys() - {"text"} <= also_read(column):
        return pa.array([_word(value) for value in values], pa.string())
    parts = [f"{described(values[row])} in row {row}" for row in sorted(kinds.values())]
    return Fault(f"column '{name}'", f"found a mixture of {' and '.join(parts)}")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and isnan(value)


def also_read(column: ColumnProfile) -> frozenset[str]:
    """Return what a column reads beside text: of a category what its levels in training were made of."""
    if column.kind is ColumnKind.NUMERIC:
        return frozenset({"number"})
    if column.kind is ColumnKind.BOOLEAN:
        return frozenset({"number", "true/false"})
    if column.kind is not ColumnKind.CATEGORY:
        return frozenset()
    numbers = any(value_of(level) is not None for level in column.levels)
    truth = not {"true", "false"}.isdisjoint(level.lower() for level in column.levels)
    return frozenset({"number"} if numbers or truth else ()) | frozenset({"true/false"} if truth else ())


def _word(value: Any) -> str | None:
    """Return a value of a mixture as the text that the same value alone would be."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    text: str | None = canonical_text(stored(pa.array([value])))[0].as_py()
    return text


def _odd_list(values: Sequence[Any]) -> int:
    """Return the first row whose list does not go with those before it."""
    return bisect_left(range(len(values)), True, key=lambda row: not _fits(values[: row + 1]))


def _fits(values: Sequence[Any]) -> bool:
    try:
        pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def to_table(arrays: Arrays, profile: Profile) -> pa.Table:
    """Return the columns the model reads; others are left out.

    Raises:
        DataFault: with one fault for each column that is missing or of another type than in training.
    """
    faults, kept = [], {}
    for column in profile.used:
        found = _checked(column, arrays.get(column.name))
        if isinstance(found, Fault):
            faults.append(found)
        else:
            kept[column.name] = found
    raise_all(DataFault, faults)
    return pa.table(kept)


def _checked(column: ColumnProfile, found: pa.Array | Fault | None) -> pa.Array | Fault:
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
    row = _first_wrong(column, found)
    if row is None:
        return found
    return Fault(f"column '{column.name}'", f"found {described(found[row].as_py())} in row {row}, {expected}")


def _first_wrong(column: ColumnProfile, found: pa.Array) -> int | None:
    """Return the first row whose value a column of numbers or a category cannot be; other kinds say it themselves."""
    if column.kind not in (ColumnKind.NUMERIC, ColumnKind.CATEGORY):
        return None
    if column.kind is ColumnKind.NUMERIC and pa.types.is_string(found.type):
        try:
            to_numbers(stored(found), column.missing, column.written, seconds=column.seconds)
        except Mismatch as mismatch:
            return mismatch.position
        return None
    if _kind_of(found.type) in {"text", "other", *also_read(column)}:
        return None
    place = pc.index(found.is_valid(), True).as_py()
    return None if place < 0 else int(place)


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
