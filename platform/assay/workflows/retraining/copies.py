"""New rows that are copies of old ones: a file that holds all rows so far may be given as it is."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import NUMBERS, Stored, canonical_text, stored, without_words

MANY_TWINS = 0.01  # share of the old rows with an equal one among them, from which on equal rows are no copies


def without_copies(old: pa.Table, new: pa.Table, notes: list[str]) -> pa.Table:
    """Return the new rows that are no old ones: a file that holds all rows so far may be given as it is.

    A row is a copy as often as the old rows hold it. Where old rows are often equal to each other, as with a few
    columns of few values, equal says nothing, and all are kept.
    """
    old_n, new_n = _hashes(old), _hashes(new)
    values_v, count_v = np.unique(old_n, return_counts=True)
    place_n = np.searchsorted(values_v, new_n).clip(max=len(values_v) - 1)
    there_n = values_v[place_n] == new_n
    if not there_n.any():
        return new
    if (len(old_n) - len(values_v)) / len(old_n) >= MANY_TWINS:
        notes.append("many old rows are equal to each other, so new rows that are copies of old ones cannot be told")
        return new
    copy_n = there_n & (_occurrence(new_n) < count_v[place_n])
    notes.append(f"{int(copy_n.sum()):,} new rows are copies of old ones and left out")
    return new.filter(pa.array(~copy_n))


def _occurrence(hash_N: np.ndarray) -> np.ndarray:
    """Return how many equal ones come before each."""
    order_N = np.argsort(hash_N, kind="stable")
    sorted_N = hash_N[order_N]
    first_N = np.searchsorted(sorted_N, sorted_N, side="left")
    found_N = np.empty(len(hash_N), np.int64)
    found_N[order_N] = np.arange(len(hash_N)) - first_N
    return found_N


def _hashes(table: pa.Table) -> np.ndarray:
    """Return a hash of each row over its columns of plain values and of bytes, such as files of images."""
    from pandas.util import hash_array

    total_N = np.zeros(table.num_rows, np.uint64)
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_nested(column.type):
            continue
        plain = column if _is_bytes(column) else pc.fill_null(_as_text(column), "")
        value_N = plain.to_numpy(zero_copy_only=False).astype(object)
        total_N = total_N * np.uint64(0x9E3779B97F4A7C15) + hash_array(value_N, categorize=False)
    return total_N


def _is_bytes(column: pa.Array) -> bool:
    return bool(pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type))


def _as_text(column: pa.Array) -> pa.Array:
    """Return values as text, numbers alike whether a CSV file spelled them or a frame held them."""
    value = stored(column)
    if value.type == "string":
        with suppress(pa.ArrowInvalid):
            value = Stored("number", pc.cast(without_words(value.array, NUMBERS), pa.float64()))
    return canonical_text(value)
