"""Any Arrow column reduced to one of a few storage types, whatever file, frame or request it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from assay.cells.texts import LARGEST_WHOLE

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Stored:
    """A column reduced to one of five storage types: number, boolean, datetime, string, nothing; or other."""

    type: str
    array: pa.Array  # float64 (missing as null, never NaN), bool, timestamp[us], string (trimmed, never ""), null
    exact: pa.Array | None = None  # of whole numbers and decimals, with all their digits
    seconds: bool = False  # whether the numbers were durations, or times of day since midnight


def stored(column: pa.ChunkedArray | pa.Array) -> Stored:
    """Reduce an Arrow column to one of the five storage types; nested values and bytes that are no text are "other".

    Encodings do not count: a dictionary, a run-end encoding, a view or an extension is read as the values in it.
    Bytes that are UTF-8 are text. Durations, and times of day since midnight, are numbers of seconds.

    Example:
        >>> import datetime
        >>> stored(pa.array([b"so"])).type, stored(pa.array([datetime.timedelta(minutes=1)])).array.to_pylist()
        ('string', [60.0])
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = _decoded(array)
    kind = array.type
    if pa.types.is_null(kind):
        return Stored("nothing", array)
    if pa.types.is_boolean(kind):
        return Stored("boolean", array)
    if pa.types.is_integer(kind):
        return Stored("number", pc.cast(array, pa.float64(), safe=False), array)
    if pa.types.is_floating(kind):
        return Stored("number", _without_nan(pc.add(pc.cast(array, pa.float64()), 0.0)))  # -0.0 becomes its equal, 0.0
    if pa.types.is_decimal(kind):
        numbers = pc.cast(pc.cast(array, pa.string()), pa.float64())  # straight to float64 the last bit is off
        return Stored("number", pc.add(numbers, 0.0), array)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Stored("datetime", pc.cast(array, pa.timestamp("us"), safe=False))
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return Stored("number", _seconds(array), seconds=True)
    if _is_text(kind):
        text = pc.utf8_trim_whitespace(array if pa.types.is_string(kind) else pc.cast(array, pa.string()))
        return Stored("string", pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text))
    return Stored("other", array)


def type_word(kind: pa.DataType) -> str:
    """Return a type as people say it, with its name in Arrow."""
    words = (
        (pa.types.is_map, "maps"),
        (pa.types.is_nested, "structs" if pa.types.is_struct(kind) else "lists"),
        (_is_bytes, "bytes that are not UTF-8 text"),
    )
    word = next((word for fits, word in words if fits(kind)), "values")
    return f"{word} ({kind})"


def canonical_text(value: Stored) -> pa.Array:
    """Return values as text: whole numbers with all digits and no decimal point, booleans as true and false."""
    if value.type in ("string", "nothing"):
        return pc.cast(value.array, pa.string())
    if value.exact is not None:
        return _exact_text(value.exact, value.array)
    if value.type == "number":
        return _float_texts(value.array)
    return pc.cast(value.array, pa.string())


def _float_texts(numbers: pa.Array) -> pa.Array:
    whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), LARGEST_WHOLE))
    as_whole = pc.cast(pc.cast(pc.if_else(whole, numbers, 0.0), pa.int64()), pa.string())
    return pc.if_else(whole, as_whole, pc.cast(numbers, pa.string()))


def _exact_text(exact: pa.Array, numbers: pa.Array) -> pa.Array:
    text = pc.cast(exact, pa.string())
    if pa.types.is_integer(exact.type):
        return text
    whole = pc.match_substring_regex(text, r"^-?\d+(\.0*)?$")
    return pc.if_else(whole, pc.replace_substring_regex(text, r"\.0*$", ""), _float_texts(numbers))


def _decoded(array: pa.Array) -> pa.Array:
    """Return an array without the encodings around its values."""
    for _ in range(4):
        kind = array.type
        if isinstance(kind, pa.UuidType):
            return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
        if isinstance(kind, pa.BaseExtensionType):
            array = array.storage
        elif pa.types.is_dictionary(kind):
            array = array.dictionary_decode()
        elif pa.types.is_run_end_encoded(kind):
            array = pc.run_end_decode(array)
        elif _is_bytes(kind):
            return _as_text(array)
        else:
            return array
    return array


def _as_text(array: pa.Array) -> pa.Array:
    if pa.types.is_fixed_size_binary(array.type):
        array = pc.cast(array, pa.binary())
    try:
        return pc.cast(array, pa.string())
    except pa.ArrowInvalid:
        return array


def _is_bytes(kind: pa.DataType) -> bool:
    named = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(fits(kind) for fits in named)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _seconds(array: pa.Array) -> pa.Array:
    ticks = pc.cast(array, pa.int32() if pa.types.is_time32(array.type) else pa.int64())
    return pc.divide(pc.cast(ticks, pa.float64(), safe=False), float(UNITS[array.type.unit]))


def _without_nan(numbers: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
