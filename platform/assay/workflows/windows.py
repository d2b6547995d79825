"""Windows of rows: the last so many, or those of the last so many days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from assay.errors import DataFault, SpecFault
from assay.forecasting.clock import time_ranks
from assay.forecasting.written import read_times

UNIT_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
US_PER_S = 1_000_000
MAX_LIFETIME_S = 36_525 * UNIT_S["d"]
FORM = re.compile(r"^(?P<count>[1-9]\d{0,11})(?P<unit>[mhdw]?)$")


def lifetime(text: str, option: str = "--expires") -> timedelta:
    """Read `90m`, `12h`, `30d` or `4w`; `option` is where it was written.

    Raises:
        SpecFault: it is none of these.

    Example:
        >>> lifetime("2d").days
        2
    """
    match = FORM.match(text.strip())
    span_s = int(match["count"]) * UNIT_S.get(match["unit"], 0) if match else 0
    if not 0 < span_s <= MAX_LIFETIME_S:
        raise SpecFault.at(option, f"'{text}' is no time", "write 90m, 12h, 30d or 4w, a hundred years at most")
    return timedelta(seconds=span_s)


@dataclass(frozen=True)
class Window:
    """The newest rows: `rows` of them, or those of the last `span_s` seconds before the newest."""

    rows: int | None = None
    span_s: int | None = None

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `500` (rows), `90m`, `12h`, `30d` or `4w`.

        Raises:
            SpecFault: it is none of these.

        Example:
            >>> Window.parse("2d").span_s
            172800
        """
        match = FORM.match(text.strip())
        if match is None:
            raise SpecFault.at("--window", f"'{text}' is no window", "write rows (5000) or a time (90m, 12h, 30d, 4w)")
        count = int(match["count"])
        return cls(span_s=count * UNIT_S[match["unit"]]) if match["unit"] else cls(rows=count)

    def of(self, table: pa.Table, time: str | None) -> pa.Table:
        """Return the rows of the window, in the order of the table; `time` is the column that orders rows.

        Raises:
            SpecFault: the window is a time, and no column holds one.
            DataFault: the column holds no times.
        """
        if self.rows is not None:
            order_N = newest_last(table, time)
            return table.take(pa.array(np.sort(order_N[-self.rows :])))
        if time is None or time not in table.column_names:
            raise SpecFault.at("--window", "is a time, and no column orders the rows", "give rows, or set data.time")
        time_us_N = microseconds(table, time)
        assert self.span_s is not None
        return table.filter(pa.array(time_us_N >= time_us_N.max() - self.span_s * US_PER_S))


def newest_last(table: pa.Table, time: str | None) -> np.ndarray:
    """Return the places of the rows from the oldest to the newest; as they lie where no column orders them."""
    if time is None or time not in table.column_names:
        return np.arange(table.num_rows)
    rank_N = time_ranks(table.column(time).combine_chunks(), f"column '{time}'")
    return np.argsort(rank_N, kind="stable")


def microseconds(table: pa.Table, time: str) -> np.ndarray:
    """Return the times of rows in microseconds since 1970.

    Raises:
        DataFault: the column holds something else, or has gaps.
    """
    times = read_times(table.column(time), f"column '{time}'")
    if not times.are_times:
        raise DataFault.at(f"column '{time}'", "holds numbers and no times", "give a window in rows")
    return times.instant_N
