"""Dates and times as numbers: elapsed days, year, and the place in year, month, week and day."""

from __future__ import annotations

import numpy as np

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.vocabulary import ColumnKind

PARTS = ("days", "year", "month", "day", "weekday", "hour", "minute", "day of year")
MICROSECONDS_PER_DAY = 86_400_000_000
NOT_A_TIME = np.iinfo(np.int64).min


class DatetimeParts(Step):
    """Replaces each datetime column (microseconds since 1970) by eight numbers; NaN where missing.

    Example:
        >>> noon = np.array([1_700_000_000_000_000])
        >>> batch = Batch({"sold": noon}, {"sold": Column(ColumnKind.DATETIME)}, np.arange(1))
        >>> DatetimeParts().apply({}, batch).columns["sold"][0, 1:].tolist()
        [2023.0, 11.0, 14.0, 1.0, 22.0, 13.0, 318.0]
    """

    takes = frozenset({ColumnKind.DATETIME})

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in batch.names(*self.takes):
            columns[name] = parts_of(batch.columns[name])
            meaning[name] = Column(ColumnKind.NUMERIC, features=tuple(f"{name} {part}" for part in PARTS))
        return batch.with_columns(columns, meaning)


def parts_of(time_us_N: np.ndarray) -> np.ndarray:
    """Return the PARTS of each time: float64 of shape (N, 8)."""
    missing_N = time_us_N == NOT_A_TIME
    time_N = np.where(missing_N, 0, time_us_N).astype("datetime64[us]")
    day_N, month_N = time_N.astype("datetime64[D]"), time_N.astype("datetime64[M]")
    second_N = (time_N - day_N).astype("timedelta64[s]").astype(np.int64)
    number_N = day_N.astype(np.int64)
    parts_NP = np.stack(
        [
            time_N.astype(np.int64) / MICROSECONDS_PER_DAY,
            time_N.astype("datetime64[Y]").astype(np.int64) + 1970,
            month_N.astype(np.int64) % 12 + 1,
            (day_N - month_N).astype(np.int64) + 1,
            (number_N + 3) % 7,  # 1970-01-01 was a Thursday; Monday is 0
            second_N // 3600,
            second_N // 60 % 60,
            (day_N - time_N.astype("datetime64[Y]")).astype(np.int64) + 1,
        ],
        axis=1,
    ).astype(np.float64)
    parts_NP[missing_N] = np.nan
    return parts_NP
