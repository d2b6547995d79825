"""The mergeable summary of one Arrow column of one block."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import (
    AS_USUAL,
    CATEGORY_WORDS,
    LETTERS_A_WORD,
    NOT_A_TIME,
    NUMBER_WORDS,
    NUMBERS,
    UNSPACED,
    Mismatch,
    Rules,
    Stored,
    Words,
    canonical_text,
    declared_words,
    stored,
    to_numbers,
    to_times,
    type_word,
    without_words,
)
from assay.cells.formats import CLOCK
from assay.cells.texts import ANY_NUMBER
from assay.kinds._readings import ISO, PLAIN, readings
from assay.profile import MAX_DISTINCT, SAMPLE_SIZE, ColumnSummary, Moments
from assay.seeds import row_hash
from assay.vocabulary import ColumnKind

FEW = 32  # texts that tell whether a column may hold times of day
BOOLEAN = ("true", "false", "yes", "no")  # words by which a column is told to be true/false
ANY_WORD = Words(frozenset({*NUMBER_WORDS, *(word.lower() for word in CATEGORY_WORDS)}), any_case=True)


def summarise(column: pa.ChunkedArray, row_N: np.ndarray, seed: int, rules: Rules = AS_USUAL) -> ColumnSummary:
    """Return the mergeable summary of one column of one block.

    Words that mean missing in some types of columns are counted as values and told apart (`missing_words`), since the
    type is known only when all blocks are merged. Words that the experiment lists are missing at once.
    """
    value = _as_told(stored(column), rules)
    array, num_rows = value.array, len(row_N)
    missing_N = np.asarray(array.is_null())
    present, row_n = array.drop_null(), row_N[~missing_N]
    types = set[str]() if value.type == "nothing" else {value.type}
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
    words = {} if rules.missing_values is not None else _missing_words(present, different, row_n)
    return ColumnSummary(**common, **_strings(present, different, row_n, set(words)), missing_words=words)


def _as_told(value: Stored, rules: Rules) -> Stored:
    """Return values with the listed words as missing, and texts as the numbers or dates that the experiment calls them.

    Texts stay text where one of them is no such number or date; the profile then says which.
    """
    value = _without(value, declared_words(rules.listed or ()))
    if value.type != "string":
        return value
    with suppress(Mismatch):
        if rules.format.decimal:
            return Stored("number", _nullable(to_numbers(value, rules.words(ColumnKind.NUMERIC), rules.format)))
        if rules.format.date_format:
            time_N = to_times(value, rules.words(ColumnKind.DATETIME), rules.format)
            return Stored("datetime", pa.array(time_N, pa.timestamp("us"), mask=time_N == NOT_A_TIME))
        if rules.kind in (None, ColumnKind.NUMERIC) and _are_clocks(value.array):
            numbers = to_numbers(value, rules.words(ColumnKind.NUMERIC), seconds=True)
            return Stored("number", _nullable(numbers), seconds=True)
    return value


def _are_clocks(text: pa.Array) -> bool:
    """Whether texts are times of day or durations, told by the first few before all are looked at."""
    first = text.slice(0, FEW).drop_null()
    seen = pc.match_substring_regex(first, CLOCK)
    if not len(first) or not pc.any(seen).as_py():
        return False
    texts = without_words(text, NUMBERS)
    return bool(pc.all(pc.match_substring_regex(texts, CLOCK)).as_py())


def _nullable(number_N: np.ndarray) -> pa.Array:
    return pa.array(number_N, pa.float64(), mask=np.isnan(number_N))


def _without(value: Stored, words: Words) -> Stored:
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


def _strings(present: pa.Array, different: pa.Array, row_n: np.ndarray, words: set[str]) -> dict[str, Any]:
    """Return how many values read as what; each different text is looked at once."""
    values, count_u = different.field("values"), different.field("counts").to_numpy()
    read = readings(present, different, row_n, words)
    found: dict[str, Any] = {
        "num_booleans": _total(pc.is_in(pc.utf8_lower(values), value_set=pa.array(BOOLEAN)), count_u),
        "num_datetimes": read[ISO].count if ISO in read else 0,
        "num_words": int((_num_words(values) * count_u).sum()),
        "readings": read,
        "first_text": _first_text(present, row_n, words),
    }
    if PLAIN not in read:
        return found
    if read[PLAIN].count == len(present):
        return found | _numbers(to_numbers(Stored("string", present), unlimited=True), row_n)
    is_number = pc.is_in(present, value_set=values.filter(pc.match_substring_regex(values, ANY_NUMBER)))
    numbers_n = to_numbers(Stored("string", present.filter(is_number)), unlimited=True)
    return found | _numbers(numbers_n, row_n[np.asarray(is_number)])


def _first_text(present: pa.Array, row_n: np.ndarray, words: set[str]) -> tuple[int, str]:
    position = next((place for place in range(len(present)) if present[place].as_py() not in words), -1)
    return (-1, "") if position < 0 else (int(row_n[position]), present[position].as_py())


def _num_words(values: pa.Array) -> np.ndarray:
    letters = pc.count_substring_regex(values, f"[{UNSPACED}]").to_numpy() // LETTERS_A_WORD
    return np.asarray(pc.count_substring(values, " ").to_numpy() + 1 + letters)


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
