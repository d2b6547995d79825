"""Dates and times as points on circles, so that the last hour, weekday or day of the year is near the first."""

from __future__ import annotations

import numpy as np

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.steps.datetime_parts import PARTS, parts_of
from assay.vocabulary import ColumnKind

PERIODS = {"hour": 24.0, "weekday": 7.0, "month": 12.0, "day of year": 365.25}


class DatetimeCycles(Step):
    """Adds sine and cosine of hour, weekday, month and day of the year to each datetime column; 0 where missing.

    Belongs before `datetime_parts`, which puts numbers in place of the time.

    Example:
        >>> midnight = np.array([1_700_006_400_000_000])
        >>> batch = Batch({"sold": midnight}, {"sold": Column(ColumnKind.DATETIME)}, np.arange(1))
        >>> DatetimeCycles().apply({}, batch).columns["sold cycles"][0, :2].tolist()
        [0.0, 1.0]
    """

    takes = frozenset({ColumnKind.DATETIME})

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in batch.names(*self.takes):
            part_NP = parts_of(batch.columns[name])
            turn_NP = np.stack([part_NP[:, PARTS.index(part)] / period for part, period in PERIODS.items()], axis=1)
            circle_NPC = np.stack([np.sin(2 * np.pi * turn_NP), np.cos(2 * np.pi * turn_NP)], axis=2)
            made = f"{name} cycles"
            columns[made] = np.nan_to_num(circle_NPC.reshape(len(batch), 2 * len(PERIODS)), nan=0.0).astype(np.float32)
            features = tuple(f"{name} {function} {part}" for part in PERIODS for function in ("sine", "cosine"))
            meaning[made] = Column(ColumnKind.BOOLEAN, features=features)  # bounded, so it needs no scaling
        return batch.with_columns(columns, meaning)
