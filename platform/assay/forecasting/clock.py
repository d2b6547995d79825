"""Time as whole steps: how far apart the values of a series are, told from the rows or refused."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import with_nulls
from assay.errors import DataFault

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
SHORTEST_MONTH_DAYS = 28
FIRST_US, LAST_US = -62_135_596_800_000_000, 221_845_392_000_000_000  # years 1 to 8999: a forecast goes on from there
LARGEST_COUNT = 2**53
MOST_USUAL = 0.5  # share of the gaps that must be alike, or there is no step to speak of
SEASONS = {"hours": 24, "days": 7, "weeks": 52, "months": 12}  # steps after which people do the same again
YEARS = {"hours": 8_736, "days": 364, "weeks": 52, "months": 12}  # the whole weeks, so that weekdays meet


@dataclass(frozen=True)
class Clock:
    """Turns times into numbers of steps and back.

    `unit` is "count" for plain numbers, "us" for microseconds, "months" for calendar months of any length. A month is
    named by one day: `day` 1 to 28, or 31 for its last day.
    """

    unit: str
    step: int  # in that unit
    first: int  # the time of step 0 in that unit: a number, microseconds since 1970, or months since 1970
    day: int = 1  # of the month
    within_day_us: int = 0  # of the month's day
    text: bool = False  # whether the column holds text, which is then given back
    is_date: bool = False  # whether the column holds days without a time

    @classmethod
    def learn(cls, column: pa.ChunkedArray, series_N: np.ndarray, place: str) -> Clock:
        """Tell the step from the gaps between neighbours of each series; `series_N` are the codes of the series.

        Raises:
            DataFault: the column holds neither dates nor whole numbers, or no gap is usual.
        """
        time_N, is_time, text = read_times(column, place)
        order = np.lexsort((time_N, series_N))
        gap_n = np.diff(time_N[order])[np.diff(series_N[order]) == 0]
        gap_n = gap_n[gap_n > 0]
        if not len(gap_n):
            raise DataFault.at(place, "no series has two rows of different times", "give series of several rows")
        is_date = is_time and not (time_N % DAY_US).any()
        if is_time and gap_n.min() >= SHORTEST_MONTH_DAYS * DAY_US and (gap_n % (7 * DAY_US)).any():
            return cls._months(time_N, gap_n, text, is_date, place)
        step = _usual(gap_n, place)
        return cls("us" if is_time else "count", step, int(time_N.min()), text=text, is_date=is_date)

    @classmethod
    def _months(cls, time_N: np.ndarray, gap_n: np.ndarray, text: bool, is_date: bool, place: str) -> Clock:
        day_n = _fields(time_N)[2]
        last = bool((_fields(time_N + DAY_US)[2] == 1).all())
        if not last and len(set(day_n.tolist())) > 1:
            raise DataFault.at(
                place, f"is about {gap_n.min() // DAY_US} days apart, on changing days", "name each month by its first"
            )
        months = _usual(np.round(gap_n / (30.436875 * DAY_US)).astype(np.int64), place)
        within = int(time_N[0] % DAY_US)
        return cls(
            "months", months, int(_months_of(time_N).min()), 31 if last else int(day_n[0]), within, text, is_date
        )

    @property
    def word(self) -> str:
        """The step in a word: hours, days, weeks, months; "" for any other."""
        if self.unit == "months":
            return "months" if self.step == 1 else ""
        return {HOUR_US: "hours", DAY_US: "days", 7 * DAY_US: "weeks"}.get(self.step, "") if self.unit == "us" else ""

    @property
    def season(self) -> int:
        """Steps of the usual season; 1 where none is known."""
        return SEASONS.get(self.word, 4 if self.unit == "months" and self.step == 3 else 1)

    @property
    def year(self) -> int:
        """Steps of a year, whole weeks where there are weekdays; 0 where none is known."""
        return YEARS.get(self.word, 4 if self.unit == "months" and self.step == 3 else 0)

    def index(self, column: pa.ChunkedArray, place: str) -> np.ndarray:
        """Return the step of each time.

        Raises:
            DataFault: a time is missing, or falls between two steps; with its row.
        """
        time_N, is_time, _ = read_times(column, place)
        if is_time != (self.unit != "count"):
            raise DataFault.at(place, "holds numbers" if not is_time else "holds dates", "give times as in training")
        low, high = (FIRST_US, LAST_US) if is_time else (-LARGEST_COUNT, LARGEST_COUNT)
        beyond_N = (time_N < low) | (time_N >= high)
        if beyond_N.any():
            row = int(np.flatnonzero(beyond_N)[0])
            expected = "give times of the years 1 to 8999" if is_time else f"give numbers below {LARGEST_COUNT:,}"
            raise DataFault.at(place, f"{int(beyond_N.sum()):,} rows lie too far off (first: row {row})", expected)
        number_N = _months_of(time_N) if self.unit == "months" else time_N
        index_N = (number_N - self.first) // self.step
        wrong_N = self.times(index_N) != time_N
        if wrong_N.any():
            row = int(np.flatnonzero(wrong_N)[0])
            raise DataFault.at(
                place,
                f"{int(wrong_N.sum()):,} of {len(wrong_N):,} rows fall between steps of {self.said} "
                f"(first: {column[row].as_py()} in row {row})",
                "give each series values at equal steps of time",
            )
        found: np.ndarray = index_N
        return found

    @property
    def said(self) -> str:
        """The step for people.

        Example:
            >>> Clock("us", DAY_US, 0).said
            '1 day'
        """
        if self.unit != "us":
            return f"{self.step} {'month' if self.unit == 'months' else 'count'}{'s' * (self.step > 1)}"
        name, size = next(
            (name, size)
            for name, size in (("day", DAY_US), ("hour", HOUR_US), ("minute", HOUR_US // 60), ("microsecond", 1))
            if self.step % size == 0
        )
        count = self.step // size
        return f"{count:,} {name}{'s' * (count > 1)}"

    def times(self, index_N: np.ndarray) -> np.ndarray:
        """Return the times of steps: numbers, or microseconds since 1970."""
        number_N: np.ndarray = self.first + index_N * self.step
        if self.unit != "months":
            return number_N
        first_N = number_N.astype("datetime64[M]").astype("datetime64[D]")
        last_N = (number_N + 1).astype("datetime64[M]").astype("datetime64[D]") - np.timedelta64(1, "D")
        day_N = np.minimum(first_N + np.timedelta64(self.day - 1, "D"), last_N)
        found: np.ndarray = day_N.astype("datetime64[us]").astype(np.int64) + self.within_day_us
        return found

    def column(self, index_N: np.ndarray) -> pa.Array:
        """Return the times of steps as they stand in the data: text, dates, times or numbers."""
        time_N = self.times(index_N)
        if self.unit == "count":
            return pa.array(time_N.astype(str) if self.text else time_N)
        stamps = pa.array(time_N, pa.timestamp("us"))
        if self.text:
            form = "%Y-%m-%d" if self.is_date else "%Y-%m-%d %H:%M:%S"
            return pc.strftime(pc.cast(stamps, pa.timestamp("s")), format=form)
        return pc.cast(stamps, pa.date32()) if self.is_date else stamps

    def calendar(self, index_N: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the calendar says of steps: place in the year as waves, month, weekday, hour where they vary."""
        if self.unit == "count":
            return {}
        time_N = self.times(index_N)
        year_N, month_N, day_N = _fields(time_N)
        january_N = (year_N - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        share_N = (time_N // DAY_US - january_N) / 365.25
        found = {"month": month_N.astype(np.float64)}
        for times in (1, 2):
            found[f"year sine {times}"] = np.sin(2 * np.pi * times * share_N)
            found[f"year cosine {times}"] = np.cos(2 * np.pi * times * share_N)
        if self.unit == "us" and self.step % (7 * DAY_US):
            found["weekday"] = ((time_N // DAY_US + 3) % 7).astype(np.float64)  # 1970 began on a Thursday
            found["day of month"] = day_N.astype(np.float64)
        if self.unit == "us" and self.step % DAY_US:
            found["hour"] = (time_N % DAY_US / HOUR_US).astype(np.float64)
        return found


def read_times(column: pa.ChunkedArray, place: str) -> tuple[np.ndarray, bool, bool]:
    """Return a column of times as whole numbers, whether they are microseconds since 1970, and whether it holds text.

    Raises:
        DataFault: a time is missing or not a time, with its row.
    """
    array = with_nulls(column)
    missing_N = np.asarray(array.is_null(nan_is_null=True))
    if missing_N.any():
        row = int(np.flatnonzero(missing_N)[0])
        raise DataFault.at(place, f"{int(missing_N.sum()):,} rows have no time (first: row {row})", "fill them in")
    text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    is_time = pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)
    for kind in (pa.int64(), pa.timestamp("us"), pa.timestamp("us", "UTC")) if text else (None,):
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            if text:
                is_time = kind != pa.int64()
            wanted = kind or (pa.timestamp("us") if is_time else pa.int64())
            number_N: np.ndarray = pc.cast(pc.cast(array, wanted, safe=is_time is False), pa.int64()).to_numpy()
            return number_N, is_time, text
    raise DataFault.at(place, "holds neither dates nor whole numbers", "write times as 2026-01-31 10:00:00")


def time_ranks(column: pa.ChunkedArray | pa.Array, place: str) -> np.ndarray:
    """Return the rank of each time; text, as CSV has it, is read as numbers or dates, never sorted letter by letter.

    Raises:
        DataFault: a time is missing or neither a number nor a date, with its row.
    """
    array = with_nulls(column)
    text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    missing_N = np.asarray(array.is_null(nan_is_null=True))
    if missing_N.any():
        row, count = int(np.flatnonzero(missing_N)[0]), int(missing_N.sum())
        raise DataFault.at(place, f"{count:,} rows have no time (first: row {row})", "fill them in or drop them")
    for kind in (pa.float64(), pa.timestamp("us"), pa.timestamp("us", "UTC")) if text else (array.type,):
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            rank_N: np.ndarray = pc.rank(pc.cast(array, kind), tiebreaker="dense").to_numpy().astype(np.int64)
            return rank_N
    raise DataFault.at(place, "holds neither numbers nor dates to order rows by", "write times as 2026-01-31 10:00:00")


def _usual(gap_n: np.ndarray, place: str) -> int:
    gap, count = Counter(gap_n.tolist()).most_common(1)[0]
    if count < MOST_USUAL * len(gap_n):
        raise DataFault.at(
            place,
            f"no step is usual: the commonest of {len(gap_n):,} gaps between rows makes up {count / len(gap_n):.0%}",
            "bring the rows to equal steps of time, such as sums of days",
        )
    return int(gap)


def _fields(time_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return year, month 1 to 12 and day 1 to 31."""
    day_N = time_N.astype("datetime64[us]").astype("datetime64[D]")
    month_N = day_N.astype("datetime64[M]")
    number_N = month_N.astype(np.int64)
    return 1970 + number_N // 12, number_N % 12 + 1, (day_N - month_N.astype("datetime64[D]")).astype(np.int64) + 1


def _months_of(time_N: np.ndarray) -> np.ndarray:
    found: np.ndarray = time_N.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return found
