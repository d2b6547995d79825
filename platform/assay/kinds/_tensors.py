"""Arrays of any shape inside Arrow columns: nested lists in, one numpy array out, and back.

A column of images is a column of height x width x channels lists, one of series a column of steps x channels lists.
With fixed sizes the shape is part of the type and both ways cost no copy.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def to_column(array: np.ndarray) -> pa.Array:
    """Return the N arrays along the first axis as fixed-size lists in lists.

    Example:
        >>> to_column(np.zeros((2, 3, 4), np.uint8)).type.list_size
        3
    """
    column = pa.array(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(array.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


def depth(kind: pa.DataType) -> int:
    """Return how many lists lie in one another; 0 for a plain value."""
    return 1 + depth(kind.value_type) if is_list(kind) else 0


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list of any sort."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def leaf(kind: pa.DataType) -> pa.DataType:
    """Return the type of the innermost values."""
    return leaf(kind.value_type) if is_list(kind) else kind


def combined(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return one array of a column."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def lengths(column: pa.Array) -> np.ndarray:
    """Return the number of entries of each list, 0 where missing."""
    if pa.types.is_fixed_size_list(column.type):
        size = column.type.list_size
        return np.where(np.asarray(column.is_valid()), size, 0)
    found: np.ndarray = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return found


def to_array(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return the values of nested lists that all have one shape as one array (N, …).

    Raises:
        ValueError: shapes differ, a value is missing, or the innermost values are no numbers.

    Example:
        >>> to_array(pa.array([[[1, 2]], [[3, 4]]])).shape
        (2, 1, 2)
    """
    column = combined(column)
    shape = [len(column)]
    while is_list(column.type):
        if column.null_count:
            raise ValueError("a list is missing")
        sizes = np.unique(lengths(column))
        if len(sizes) > 1:
            raise ValueError(f"lists have {sizes[0]} to {sizes[-1]} entries")
        shape.append(int(sizes[0]) if len(sizes) else 0)
        column = column.flatten()
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise ValueError(f"values are {column.type}, some may be missing; expected numbers")
    found: np.ndarray = column.to_numpy(zero_copy_only=False).reshape(shape)
    return found
