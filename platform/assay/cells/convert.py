"""Values of one storage type to the numpy array of a column type, or the first value that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells.dates import DATETIME, ZERO, impossible, parse_times
from assay.cells.formats import PLAIN_FORMAT, Format, date_reader, number_reader, seconds_of
from assay.cells.storage import Stored, stored, type_word
from assay.cells.texts import NUMBER, as_float
from assay.cells.words import NO_WORDS, NUMBERS, Words

MOST = float(np.finfo(np.float32).max)  # many members compute in 32 bits, where a larger number is infinite
NOT_A_TIME = np.iinfo(np.int64).min
STORED_WORDS = {
    "number": "numbers",
    "boolean": "true/false",
    "datetime": "dates",
    "string": "text",
    "nothing": "nothing",
}
TRUE_WORDS, FALSE_WORDS = ("true", "yes", "t", "y", "1", "1.0"), ("false", "no", "f", "n", "0", "0.0")
TRUTH = {**dict.fromkeys(TRUE_WORDS, 1.0), **dict.fromkeys(FALSE_WORDS, 0.0)}


class Mismatch(Exception):
    """A value does not fit the column type; `position` is where the first such value stands."""

    def __init__(self, found: str, position: int | None = None, value: Any = None, fix: str = "") -> None:
        super().__init__(found)
        self.found, self.position, self.value, self.fix = found, position, value, fix


def to_numbers(
    value: Stored,
    words: Words = NUMBERS,
    written: Format = PLAIN_FORMAT,
    *,
    seconds: bool = False,
    unlimited: bool = False,
) -> np.ndarray:
    """Return float64, NaN where missing.

    `seconds` reads times of day and durations as text too, `unlimited` takes infinite and too large numbers.

    Raises:
        Mismatch: a value is no number, is infinite, or is beyond what 32 bits hold.
    """
    if value.type == "string":
        number_N = _numbers_of_text(value.array, words, written, seconds)
    elif value.type in ("number", "boolean", "nothing"):
        number_N = pc.cast(value.array, pa.float64()).to_numpy(zero_copy_only=False)
    else:
        raise Mismatch(_said(value))
    if words.numbers:
        number_N = np.where(np.isin(number_N, list(words.numbers)), np.nan, number_N)
    beyond_N = np.abs(number_N) > MOST
    if beyond_N.any() and not unlimited:
        position = int(np.flatnonzero(beyond_N)[0])
        found = "infinite numbers" if np.isinf(number_N[position]) else f"numbers beyond {MOST:.1e}"
        raise Mismatch(found, position)
    return np.asarray(number_N)


def to_truth(value: Stored, words: Words = NUMBERS) -> np.ndarray:
    """Return float64 of 0 and 1, NaN where missing; yes/no, t/f and 1/0 are read too.

    Raises:
        Mismatch: a value is neither true nor false.
    """
    if value.type == "string":
        return _of_text(value.array, lambda text: _truth_of(text, words))
    if value.type in ("boolean", "nothing"):
        return np.asarray(pc.cast(value.array, pa.float64()).to_numpy(zero_copy_only=False))
    if value.type != "number":
        raise Mismatch(_said(value))
    number_N: np.ndarray = value.array.to_numpy(zero_copy_only=False)
    if words.numbers:
        number_N = np.where(np.isin(number_N, list(words.numbers)), np.nan, number_N)
    bad_N = ~(np.isnan(number_N) | np.isin(number_N, [0.0, 1.0]))
    if bad_N.any():
        position = int(np.flatnonzero(bad_N)[0])
        raise Mismatch("numbers", position, float(number_N[position]))
    return number_N


def to_times(value: Stored, words: Words = NUMBERS, written: Format = PLAIN_FORMAT) -> np.ndarray:
    """Return int64 microseconds since 1970, NOT_A_TIME where missing.

    Raises:
        Mismatch: a value is no date, or its day does not exist.
    """
    array = value.array
    if value.type == "string":
        array = _times_of_text(array, words, written)
    elif value.type == "nothing":
        array = pc.cast(array, pa.timestamp("us"))
    elif value.type != "datetime":
        raise Mismatch(_said(value))
    found: np.ndarray = pc.fill_null(pc.cast(array, pa.int64()), int(NOT_A_TIME)).to_numpy(zero_copy_only=False)
    return found


def to_texts(value: Stored, words: Words = NO_WORDS) -> np.ndarray:
    """Return texts as objects, "" where missing.

    Raises:
        Mismatch: the values are no text.
    """
    if value.type not in ("string", "nothing"):
        raise Mismatch(_said(value))
    array = without_words(pc.cast(value.array, pa.string()), words)
    return np.asarray(pc.fill_null(array, "").to_numpy(zero_copy_only=False).astype(object))


def with_nulls(column: pa.ChunkedArray | pa.Array, words: Words = NUMBERS) -> pa.Array:
    """Return a column as one array with empty texts and words that mean missing as null; no other value changes.

    Texts come back trimmed and as `string`, numbers in their own type.

    Example:
        >>> with_nulls(pa.array(["1", " n.a. ", ""])).to_pylist()
        ['1', None, None]
    """
    value = stored(column)
    if value.type == "string":
        return without_words(value.array, words)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if value.type != "number" or not words.numbers:
        return array
    known = pc.is_in(value.array, value_set=pa.array(sorted(words.numbers), pa.float64()))
    return pc.if_else(known, pa.scalar(None, array.type), array)


def without_words(text: pa.Array, words: Words) -> pa.Array:
    """Return trimmed texts with the words that mean missing as null."""
    if not words.words:
        return text
    compared = pc.utf8_lower(text) if words.any_case else text
    missing = pc.is_in(compared, value_set=pa.array(sorted(words.words), pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _said(value: Stored) -> str:
    return type_word(value.array.type) if value.type == "other" else STORED_WORDS[value.type]


def _numbers_of_text(text: pa.Array, words: Words, written: Format, seconds: bool) -> np.ndarray:
    if written.decimal:
        read = number_reader(written.decimal)
        return _of_text(text, lambda word: np.nan if words.has(word) else read(word))
    plain = pc.match_substring_regex(text, NUMBER)
    if pc.all(plain).as_py() is not False:
        return np.asarray(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False))
    number_N = pc.cast(pc.if_else(plain, text, pa.scalar(None, pa.string())), pa.float64())
    found_N = number_N.to_numpy(zero_copy_only=False).copy()
    odd_n = np.flatnonzero(~np.asarray(pc.fill_null(plain, True)))
    found_N[odd_n] = _of_text(text.take(pa.array(odd_n)), lambda word: _number_of(word, words, seconds), odd_n)
    return np.asarray(found_N)


def _number_of(text: str, words: Words, seconds: bool) -> float | None:
    if words.has(text):
        return np.nan
    number = seconds_of(text) if seconds else None
    return {"true": 1.0, "false": 0.0}.get(text.lower(), as_float(text)) if number is None else number


def _truth_of(text: str, words: Words) -> float | None:
    return np.nan if words.has(text) else TRUTH.get(text.lower())


def _of_text(text: pa.Array, read: Callable[[str], float | None], position_n: np.ndarray | None = None) -> np.ndarray:
    """Return what each different text reads as, NaN where null."""
    encoded = text.dictionary_encode()
    different = encoded.dictionary.to_pylist()
    read_U = [read(word) for word in different]
    index_N = pc.fill_null(encoded.indices, len(different)).to_numpy()
    bad_u = [place for place, number in enumerate(read_U) if number is None]
    if bad_u:
        position = int(np.flatnonzero(np.isin(index_N, bad_u))[0])
        word = different[index_N[position]]
        raise Mismatch("text", position if position_n is None else int(position_n[position]), word)
    number_N: np.ndarray = np.array([*read_U, np.nan], np.float64)[index_N]
    return number_N


def _times_of_text(text: pa.Array, words: Words, written: Format) -> pa.Array:
    if not written.date_format and pc.all(pc.match_substring_regex(text, DATETIME)).as_py() is not False:
        with suppress(pa.ArrowInvalid):  # a day that does not exist, which may be listed as missing
            return parse_times(text)
    original = without_words(text, words)
    iso = _as_iso(original, written.date_format) if written.date_format else original
    iso = pc.if_else(pc.match_substring_regex(iso, ZERO), pa.scalar(None, pa.string()), iso)
    good = pc.match_substring_regex(iso, DATETIME)
    if pc.all(good).as_py() is False:
        position = int(np.flatnonzero(~np.asarray(pc.fill_null(good, True)))[0])
        raise Mismatch("text", position, original[position].as_py())
    try:
        return parse_times(iso)
    except pa.ArrowInvalid:
        position = next((place for place, word in enumerate(iso.to_pylist()) if word and impossible(word)), 0)
        fix = "correct the day, or leave the cell empty"
        raise Mismatch("a day that does not exist", position, original[position].as_py(), fix) from None


def _as_iso(text: pa.Array, date_format: str) -> pa.Array:
    """Return texts in a format as ISO 8601; others stay as they are."""
    read = date_reader(date_format)
    encoded = text.dictionary_encode()
    words = [read(word) or word for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(encoded.indices)
