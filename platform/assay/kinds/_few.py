"""What `_arrays` does, for a few values and without Arrow's functions.

Each of those takes ten microseconds however few the values, and a column passes several: a request of one row would
wait for its conversion longer than for its prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from assay.cells import MOST
from assay.profile import ColumnProfile
from assay.vocabulary import MISSING_CODE, ColumnKind

FEW = 128  # values; with so many it takes a third of the time that Arrow takes, with one an eighth


def to_array(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> np.ndarray | None:
    """Return what `_arrays.to_array` returns; None for what is seldom sent, or is a fault: that knows what to say."""
    convert = KNOWN.get((profile.kind, column.type.id))
    return None if convert is None else convert(column, profile)


def _to_numeric(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> np.ndarray | None:
    numbers_n = np.array([math.nan if value is None else value for value in column.to_pylist()], np.float64)
    if (np.abs(numbers_n) > MOST).any() or profile.missing.numbers:
        return None
    numbers_n += 0.0  # makes -0.0, which is equal to 0.0, the same
    return numbers_n


def _to_codes(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> np.ndarray:
    levels = profile.known_levels
    code_of = levels.code_of
    texts = [(value or "").strip() for value in column.to_pylist()]
    return np.array([code_of[text] if text in code_of else levels.code(text) for text in texts], np.int32)


def _whole_to_codes(column: pa.ChunkedArray | pa.Array, profile: ColumnProfile) -> np.ndarray:
    code = profile.known_levels.code
    return np.array([MISSING_CODE if value is None else code(str(value)) for value in column.to_pylist()], np.int32)


def _to_boolean(column: pa.ChunkedArray | pa.Array, _: ColumnProfile) -> np.ndarray:
    return np.array([math.nan if value is None else float(value) for value in column.to_pylist()], np.float64)


# By `DataType.id`: comparing the types themselves takes as long as the conversion.
KNOWN: dict[tuple[ColumnKind, int], Callable[[pa.Array, ColumnProfile], np.ndarray | None]] = {
    **{(ColumnKind.NUMERIC, kind.id): _to_numeric for kind in (pa.int64(), pa.float64(), pa.null())},
    **{(ColumnKind.CATEGORY, kind.id): _to_codes for kind in (pa.string(), pa.null())},
    (ColumnKind.CATEGORY, pa.int64().id): _whole_to_codes,
    **{(ColumnKind.BOOLEAN, kind.id): _to_boolean for kind in (pa.bool_(), pa.null())},
}
