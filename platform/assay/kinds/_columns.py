"""The mergeable summary of one Arrow column of one block."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import (
    CATEGORY_WORDS,
    DATETIME,
    NUMBER,
    NUMBER_WORDS,
    ZERO,
    Stored,
    Words,
    canonical_text,
    declared_words,
    stored,
    type_word,
    without_words,
)
from assay.profile import MAX_DISTINCT, SAMPLE_SIZE, ColumnSummary, Moments
from assay.seeds import row_hash

BOOLEAN = ("true", "false", "yes", "no")  # words by which a column is told to be true/false
ANY_WORD = Words(frozenset({*NUMBER_WORDS, *(word.lower() for word in CATEGORY_WORDS)}), any_case=True)


def summarise(
    column: pa.ChunkedArray, row_N: np.ndarray, seed: int, missing_values: tuple[str, ...] | None = None
) -> ColumnSummary:
    """Return the mergeable summary of one column of one block.

    Words that mean missing in some types of columns are counted as values and told apart (`missing_words`), since the
    type is known only when all blocks are merged. Words that the experiment lists are missing at once.
    """
    value = _without(stored(column), missing_values)
    array, num_rows = value.array, len(row_N)
    missing_N = np.asarray(array.is_null())
    present, row_n = array.drop_null(), row_N[~missing_N]
    types = {"nothing": set[str]()}.get(value.type, {value.type})
    common: dict[str, Any] = {
        "num_rows": num_rows,
        "num_missing": int(missing_N.sum()),
        "sample": _sample(value, row_N, seed),
        "stored": frozenset(types | ({"seconds"} if value.seconds else set())),
        "first_missing_row": int(row_N[missing_N][0]) if missing_N.any() else -1,
    }
    if value.type in ("nothing", "other"):
        return ColumnSummary(**common, other_type=type_word(array.type) if value.type == "other" else "")
    exact = None if value.exact is None else value.exact.drop_null()
    different = pc.value_counts(present if exact is None else exact)
    counts, too_many, hashes = _levels(value.type, different)
    common |= {"counts": counts, "too_many_levels": too_many, "distinct_hashes": hashes}
    if value.type == "boolean":
        return ColumnSummary(**common, num_booleans=len(present))
    if value.type == "datetime":
        return ColumnSummary(**common, num_datetimes=len(present))
    if value.type == "number":
        return ColumnSummary(**common, **_numbers(present.to_numpy(), row_n))
    words = {} if missing_values is not None else _missing_words(present, different, row_n)
    return ColumnSummary(**common, **_strings(present, different, row_n), missing_words=words)


def _without(value: Stored, missing_values: tuple[str, ...] | None) -> Stored:
    if missing_values is None:
        return value
    words = declared_words(missing_values)
    if value.type == "string":
        return Stored("string", without_words(value.array, words))
    if value.type != "number" or not words.numbers:
        return value
    known = pc.invert(pc.is_in(value.array, value_set=pa.array(sorted(words.numbers), pa.float64())))
    exact = None if value.exact is None else pc.if_else(known, value.exact, pa.scalar(None, value.exact.type))
    return Stored("number", pc.if_else(known, value.array, pa.scalar(None, pa.float64())), exact, value.seconds)


def _missing_words(present: pa.Array, different: pa.Array, row_n: np.ndarray) -> dict[str, tuple[int, int]]:
    """Return the texts that may mean missing, each with its count and its first row."""
    values = different.field("values")
    lower = pc.utf8_lower(values)
    may = pc.is_in(lower, value_set=pa.array(sorted(ANY_WORD.words), pa.string()))
    if not pc.any(may).as_py():
        return {}
    counts = dict(zip(values.filter(may).to_pylist(), different.field("counts").filter(may).to_pylist(), strict=True))
    return {word: (count, int(row_n[pc.index(present, word).as_py()])) for word, count in counts.items()}


def _strings(present: pa.Array, different: pa.Array, row_n: np.ndarray) -> dict[str, Any]:
    """Return how many values read as what; each different text is looked at once."""
    values, count_u = different.field("values"), different.field("counts").to_numpy()
    lower = pc.utf8_lower(values)
    dates = pc.match_substring_regex(values, DATETIME)
    zero = pc.match_substring_regex(values, ZERO)
    found: dict[str, Any] = {
        "num_booleans": _total(pc.is_in(lower, value_set=pa.array(BOOLEAN)), count_u),
        "num_datetimes": _total(pc.or_(dates, zero), count_u),
        "num_words": int(((pc.count_substring(values, " ").to_numpy() + 1) * count_u).sum()),
    }
    numbers = pc.match_substring_regex(values, NUMBER)
    if not pc.any(numbers).as_py():
        return found
    if pc.all(numbers).as_py():
        return found | _numbers(pc.cast(present, pa.float64()).to_numpy(), row_n)
    is_number = pc.is_in(present, value_set=values.filter(numbers))
    return found | _numbers(pc.cast(present.filter(is_number), pa.float64()).to_numpy(), row_n[np.asarray(is_number)])


def _total(which: pa.Array, count_u: np.ndarray) -> int:
    return int(count_u[np.asarray(which)].sum())


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


def _levels(kind: str, different: pa.Array) -> tuple[Counter[str], bool, np.ndarray]:
    from pandas.util import hash_array  # a keyless SipHash: the same on every machine

    values, counts = different.field("values"), different.field("counts").to_numpy()
    text = canonical_text(_of_type(kind, values))
    hashes = np.sort(hash_array(text.to_numpy(zero_copy_only=False).astype(object), categorize=False))[:SAMPLE_SIZE]
    too_many = len(counts) > MAX_DISTINCT
    order = np.argsort(-counts, kind="stable")[:MAX_DISTINCT]
    kept = text.take(pa.array(order)).to_pylist()
    return Counter(dict(zip(kept, counts[order].tolist(), strict=True))), too_many, hashes


def _of_type(kind: str, values: pa.Array) -> Stored:
    if kind != "number" or pa.types.is_float64(values.type):
        return Stored(kind, values)
    return stored(values)


def _sample(value: Stored, row_N: np.ndarray, seed: int) -> tuple[tuple[int, object], ...]:
    if value.type in ("nothing", "other"):
        return ()
    hash_N = row_hash(row_N, seed)
    order = np.argsort(hash_N, kind="stable")[:SAMPLE_SIZE]
    array = value.array if value.exact is None else value.exact
    array = pc.cast(array, pa.int64()) if value.type == "datetime" else array
    return tuple(zip(hash_N[order].tolist(), array.take(pa.array(order)).to_pylist(), strict=True))
