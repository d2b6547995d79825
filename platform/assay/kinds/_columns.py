"""One Arrow column at a time: what it is stored as, its mergeable summary, and its canonical array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import Fault
from assay.profile import MAX_DISTINCT, SAMPLE_SIZE, ColumnProfile, ColumnSummary, Moments
from assay.seeds import row_hash
from assay.vocabulary import MISSING_CODE, ColumnKind

NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|Inf|INF|infinity|Infinity)$"
DATE, TIME = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
DATETIME = rf"^{DATE}([ T]{TIME}(Z|[+-]\d{{2}}:?\d{{2}})?)?$"
BOOLEAN = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
NOT_A_TIME = np.iinfo(np.int64).min
WORDS = {"number": "numbers", "boolean": "true/false", "datetime": "dates", "string": "text", "nothing": "nothing"}


@dataclass(frozen=True)
class Stored:
    """A column reduced to one of five storage types: number, boolean, datetime, string, nothing; or other."""

    type: str
    array: pa.Array  # float64 (missing as null, never NaN), bool, timestamp[us], string (trimmed, never ""), null


def stored(column: pa.ChunkedArray | pa.Array) -> Stored:
    """Reduce an Arrow column to one of the five storage types; anything nested or binary is "other"."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_null(kind):
        return Stored("nothing", array)
    if pa.types.is_boolean(kind):
        return Stored("boolean", array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(array, pa.float64(), safe=False)
        return Stored("number", pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Stored("datetime", pc.cast(array, pa.timestamp("us"), safe=False))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        text = pc.utf8_trim_whitespace(pc.cast(array, pa.string()))
        return Stored("string", pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text))
    return Stored("other", array)


def canonical_text(value: Stored) -> pa.Array:
    """Return values as text: whole numbers without a decimal point, booleans as true and false."""
    if value.type == "string":
        return value.array
    if value.type == "number":
        whole = pc.and_(pc.equal(pc.floor(value.array), value.array), pc.less(pc.abs(value.array), 1e15))
        as_whole = pc.cast(pc.cast(pc.if_else(whole, value.array, 0.0), pa.int64()), pa.string())
        return pc.if_else(whole, as_whole, pc.cast(value.array, pa.string()))
    return pc.cast(value.array, pa.string())


def summarise(column: pa.ChunkedArray, row_N: np.ndarray, seed: int) -> ColumnSummary:
    """Return the mergeable summary of one column of one block."""
    value = stored(column)
    array, num_rows = value.array, len(row_N)
    missing_N = np.asarray(array.is_null())
    present = array.drop_null()
    common: dict[str, Any] = {
        "num_rows": num_rows,
        "num_missing": int(missing_N.sum()),
        "sample": _sample(value, row_N, seed),
        "stored": frozenset() if value.type == "nothing" else frozenset({value.type}),
        "first_missing_row": int(row_N[missing_N][0]) if missing_N.any() else -1,
    }
    if value.type in ("nothing", "other"):
        return ColumnSummary(**common)
    counts, too_many, hashes = _levels(Stored(value.type, present))
    common |= {"counts": counts, "too_many_levels": too_many, "distinct_hashes": hashes}
    if value.type == "boolean":
        return ColumnSummary(**common, num_booleans=len(present))
    if value.type == "datetime":
        return ColumnSummary(**common, num_datetimes=len(present))
    if value.type == "number":
        return ColumnSummary(**common, **_numbers(present.to_numpy(), row_N[~missing_N]))
    return ColumnSummary(**common, **_strings(present, row_N[~missing_N]))


def _strings(present: pa.Array, row_n: np.ndarray) -> dict[str, Any]:
    reads_as_number = pc.match_substring_regex(present, NUMBER)
    found: dict[str, Any] = {
        "num_booleans": int(pc.sum(pc.is_in(pc.utf8_lower(present), pa.array(list(BOOLEAN)))).as_py() or 0),
        "num_datetimes": int(pc.sum(pc.match_substring_regex(present, DATETIME)).as_py() or 0),
        "num_words": int(pc.sum(pc.count_substring(present, " ")).as_py() or 0) + len(present),
    }
    numbers_N = pc.cast(present.filter(reads_as_number), pa.float64()).to_numpy()
    found |= _numbers(numbers_N, row_n[np.asarray(reads_as_number)])
    return found


def _numbers(numbers_n: np.ndarray, row_n: np.ndarray) -> dict[str, Any]:
    finite_n = np.isfinite(numbers_n)
    whole_n = finite_n & (np.floor(numbers_n) == numbers_n)
    return {
        "num_numbers": len(numbers_n),
        "num_whole": int(whole_n.sum()),
        "num_infinite": int((~finite_n).sum()),
        "first_infinite_row": int(row_n[~finite_n][0]) if not finite_n.all() else -1,
        "increasing": bool((numbers_n[1:] > numbers_n[:-1]).all()),
        "first_value": float(numbers_n[0]) if len(numbers_n) else float("nan"),
        "last_value": float(numbers_n[-1]) if len(numbers_n) else float("nan"),
        "moments": Moments.of(numbers_n[finite_n]),
    }


def _levels(present: Stored) -> tuple[Counter[str], bool, np.ndarray]:
    from pandas.util import hash_array  # a keyless SipHash: the same on every machine

    found = pc.value_counts(present.array)
    values, counts = found.field("values"), found.field("counts").to_numpy()
    text = canonical_text(Stored(present.type, values))
    hashes = np.sort(hash_array(text.to_numpy(zero_copy_only=False).astype(object), categorize=False))[:SAMPLE_SIZE]
    too_many = len(counts) > MAX_DISTINCT
    order = np.argsort(-counts, kind="stable")[:MAX_DISTINCT]
    kept = text.take(pa.array(order)).to_pylist()
    return Counter(dict(zip(kept, counts[order].tolist(), strict=True))), too_many, hashes


def _sample(value: Stored, row_N: np.ndarray, seed: int) -> tuple[tuple[int, object], ...]:
    if value.type in ("nothing", "other"):
        return ()
    hash_N = row_hash(row_N, seed)
    order = np.argsort(hash_N, kind="stable")[:SAMPLE_SIZE]
    array = pc.cast(value.array, pa.int64()) if value.type == "datetime" else value.array
    return tuple(zip(hash_N[order].tolist(), array.take(pa.array(order)).to_pylist(), strict=True))


def to_array(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> np.ndarray | Fault:
    """Return the canonical array of a column (see `batch.COLUMN_DTYPE`), or the fault that prevents it."""
    value = stored(column)
    if value.type == "nothing":
        value = Stored("string", pc.cast(value.array, pa.string()))
    if value.type == "other":
        return _mismatch(profile, str(column.type))
    if profile.kind is ColumnKind.CATEGORY:
        return to_codes(canonical_text(value), profile.levels)
    convert = {
        ColumnKind.NUMERIC: _to_numeric,
        ColumnKind.BOOLEAN: _to_boolean,
        ColumnKind.DATETIME: _to_datetime,
        ColumnKind.TEXT: _to_text,
    }[profile.kind]
    found: np.ndarray | Fault = convert(value, profile)
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


def to_codes(text: pa.Array, levels: tuple[str, ...]) -> np.ndarray:
    """Return int32 codes of levels; MISSING_CODE where missing, len(levels) where the level is unseen."""
    codes = pc.fill_null(pc.index_in(text, value_set=pa.array(levels, pa.string())), len(levels)).to_numpy()
    found: np.ndarray = np.where(np.asarray(text.is_null()), MISSING_CODE, codes).astype(np.int32)
    return found


def _to_numeric(value: Stored, profile: ColumnProfile) -> Any:
    array = value.array
    if value.type == "string":
        good = pc.match_substring_regex(array, NUMBER)
        if pc.any(pc.invert(good)).as_py():
            return _mismatch(profile, "text", _first_bad(array, good))
        array = pc.cast(array, pa.float64())
    elif value.type == "boolean":
        array = pc.cast(array, pa.float64())
    elif value.type == "datetime":
        return _mismatch(profile, "dates")
    numbers_N = pc.cast(array, pa.float64()).to_numpy(zero_copy_only=False)
    if np.isinf(numbers_N).any():
        position = int(np.flatnonzero(np.isinf(numbers_N))[0])
        return _mismatch(profile, "infinite numbers", f"first: row {position}")
    return numbers_N


def _to_boolean(value: Stored, profile: ColumnProfile) -> Any:
    if value.type == "boolean":
        return pc.cast(value.array, pa.float64()).to_numpy(zero_copy_only=False)
    if value.type == "number":
        good = pc.is_in(value.array, pa.array([0.0, 1.0]))
        if pc.all(pc.or_(good, value.array.is_null())).as_py() is not False:
            return value.array.to_numpy(zero_copy_only=False)
        return _mismatch(profile, "numbers", _first_bad(value.array, pc.or_(good, value.array.is_null())))
    if value.type == "string":
        words = list(BOOLEAN)
        code_N = to_codes(pc.utf8_lower(value.array), tuple(words))
        if (code_N == len(words)).any():
            return _mismatch(profile, "text", _first_bad(value.array, pa.array(code_N < len(words))))
        table_K = np.array([*(BOOLEAN[word] for word in words), np.nan])
        found: np.ndarray = table_K[code_N]
        return found
    return _mismatch(profile, WORDS[value.type])


def _to_datetime(value: Stored, profile: ColumnProfile) -> Any:
    array = value.array
    if value.type == "string":
        good = pc.match_substring_regex(array, DATETIME)
        if pc.any(pc.invert(good)).as_py():
            return _mismatch(profile, "text", _first_bad(array, good))
        try:
            array = _parse_times(array)
        except pa.ArrowInvalid as error:
            return _mismatch(profile, "text", str(error).split("\n")[0])
    elif value.type != "datetime":
        return _mismatch(profile, WORDS[value.type])
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


def _to_text(value: Stored, profile: ColumnProfile) -> Any:
    if value.type != "string":
        return _mismatch(profile, WORDS[value.type])
    found: np.ndarray = pc.fill_null(value.array, "").to_numpy(zero_copy_only=False).astype(object)
    return found


def _first_bad(array: pa.Array, good: pa.Array) -> str:
    position = int(np.flatnonzero(~np.asarray(pc.fill_null(good, True)))[0])
    return f"first: {array[position].as_py()!r} in row {position}"


def _mismatch(profile: ColumnProfile, found: str, detail: str = "") -> Fault:
    suffix = f" ({detail})" if detail else ""
    expected = {
        "numeric": "numbers",
        "boolean": "true/false",
        "category": "text or numbers",
        "datetime": "dates",
        "text": "text",
    }[profile.kind.value]
    return Fault(f"column '{profile.name}'", f"found {found}, expected {expected}{suffix}")
