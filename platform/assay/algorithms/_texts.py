"""What algorithms that read texts take from a batch: the texts of each row, and the numbers beside them."""

from __future__ import annotations

import numpy as np

from assay.batch import ROUGH, Batch
from assay.vocabulary import ColumnKind


def texts_of(batch: Batch) -> np.ndarray:
    """Return text_N, object of str; several columns are joined in their order, each on a line of its own.

    Raises:
        ValueError: no column holds text.
    """
    names = batch.names(ColumnKind.TEXT)
    if not names:
        raise ValueError("no column holds text")
    if len(names) == 1:
        return batch.columns[names[0]]
    joined = ["\n".join(row) for row in zip(*(batch.columns[name] for name in names), strict=True)]
    found = np.empty(len(joined), object)
    found[:] = joined
    return found


def numbers_beside(batch: Batch) -> np.ndarray:
    """Return x_NF, float32, of the columns that are numbers already; F is 0 where there are none."""
    rough = [*batch.names(*ROUGH), *batch.views]
    rest = batch.with_columns({}, {}, without=rough)
    return np.asarray(rest.matrix(), np.float32)
