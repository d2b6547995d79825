"""Categories as their codes: frequent levels first, NaN where missing."""

from __future__ import annotations

import numpy as np

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.vocabulary import MISSING_CODE, ColumnKind


class Ordinal(Step):
    """Keeps the code as a float32 number, which trees split well; unseen levels keep one code above all others.

    Example:
        >>> codes = np.array([1, -1], np.int32)
        >>> batch = Batch({"plan": codes}, {"plan": Column(ColumnKind.CATEGORY, 2)}, np.arange(2))
        >>> Ordinal().apply({}, batch).columns["plan"].tolist()
        [1.0, nan]
    """

    takes = frozenset({ColumnKind.CATEGORY})

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns: dict[str, np.ndarray] = {}
        meaning: dict[str, Column] = {}
        for name in batch.names(*self.takes):
            code_N = batch.columns[name]
            columns[name] = np.where(code_N == MISSING_CODE, np.nan, code_N).astype(np.float32)
            meaning[name] = batch.meaning[name]
        return batch.with_columns(columns, meaning)
