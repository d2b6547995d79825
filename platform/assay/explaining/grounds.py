"""The ground: training rows that stand in for columns which do not play, from the sample that the profile keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.batch import Batch
from assay.model import Model
from assay.profile import ColumnProfile
from assay.vocabulary import ColumnKind, Shelf

PLAIN = frozenset({
    ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.CATEGORY, ColumnKind.DATETIME, ColumnKind.TEXT,
})  # fmt: skip
STORED = {
    ColumnKind.NUMERIC: pa.float64(),
    ColumnKind.BOOLEAN: pa.bool_(),
    ColumnKind.CATEGORY: pa.string(),
    ColumnKind.DATETIME: pa.timestamp("us"),
    ColumnKind.TEXT: pa.string(),
}


def ground_rows(model: Model) -> Batch | None:
    """Return up to SAMPLE_SIZE training rows, whole ones, of the plain columns; None of a model that reads none.

    The samples of all columns are of the same rows, since rows are chosen by the hashes of their ids.
    """
    columns = [column for column in model.profile.used if column.kind in PLAIN]
    if not columns:
        return None
    num_rows = max(1, *(len(column.sample) for column in columns), 1)
    table = pa.table({column.name: _values(column, num_rows) for column in columns})
    made: Batch = catalog.make(Shelf.KINDS, "tabular").to_batch(table, replace(model.profile, columns=tuple(columns)))
    return made


def _values(column: ColumnProfile, num_rows: int) -> pa.Array:
    values = column.sample if len(column.sample) == num_rows else (None,) * num_rows
    return pa.array(values, STORED[column.kind])


def spread(value_R: np.ndarray, count: int) -> np.ndarray:
    """Return `count` places in `value_R`, evenly spread over its order from least to greatest.

    The mean of the values there is close to the mean of all, with far fewer rows than a random draw would take.

    Example:
        >>> spread(np.array([5.0, 1.0, 3.0, 9.0, 7.0, 8.0]), 3).tolist()
        [2, 4, 3]
    """
    order_R = np.argsort(value_R, kind="stable")
    return np.asarray(order_R[((np.arange(count) + 0.5) * len(order_R) / count).astype(int)])
