"""One Arrow column at a time: what it is stored as, and its mergeable summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.profile import MAX_DISTINCT, SAMPLE_SIZE, ColumnSummary, Moments
from assay.seeds import row_hash

NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|Inf|INF|infinity|Infinity)$"
DATE, TIME = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
DATETIME = rf"^{DATE}([ T]{TIME}(Z|[+-]\d{{2}}:?\d{{2}})?)?$"
BOOLEAN = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


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
        numbers = pc.add(pc.cast(array, pa.float64(), safe=False), 0.0)  # makes -0.0, which is equal to 0.0, the same
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
