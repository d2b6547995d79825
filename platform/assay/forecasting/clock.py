"""Time as whole steps: how far apart the values of a series are, told from the rows or refused."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import with_nulls
from assay.errors import DataFault
from assay.forecasting.gaps import gaps, is_usual, open_days, usual_gap, usual_phases
from assay.forecasting.written import (
    DAY_US,
    HOUR_US,
    ISO,
    MINUTE_US,
    SECOND_US,
    Times,
    Written,
    offset_us,
    read_times,
    to_instant,
    to_wall,
)
from assay.spec.time_steps import parse_step

SHORTEST_MONTH_DAYS = 28
SHORTEST_DAY_US = 20 * HOUR_US  # from which on steps are told by the wall clock: a day of 23 or 25 hours is a day
FIRST_US, LAST_US = -62_135_596_800_000_000, 221_845_392_000_000_000  # years 1 to 8999: a forecast goes on from there
LARGEST_COUNT = 2**53
SEASONS = {"hours": (24,), "days": (7,), "weeks": (52, 13, 4), "months": (12, 3), "quarters": (4,)}  # the longest first
YEARS = {"hours": 8_736, "days": 364, "weeks": 52, "months": 12, "quarters": 4}  # whole weeks, so that weekdays meet
UNITS_US = {"second": SECOND_US, "minute": MINUTE_US, "hour": HOUR_US, "day": DAY_US, "week": 7 * DAY_US}
UNITS_MONTHS = {"month": 1, "quarter": 3, "year": 12}
PLAIN = Written("time")
LAST_DAY, FIRST_OPEN, LAST_OPEN = 31, 0, -1  # days that name a month: its last, its first or last from Monday to Friday


@dataclass(frozen=True)
class Clock:
    """Turns times into numbers of steps and back.

    `unit` is "count" for plain numbers, "us" for microseconds, "months" for calendar months of any length, "open days"
    for the days of the week in `open`. Steps shorter than a day are counted by instants, others by the wall clock. A
    month is named by one day, 1 to 31, the last one where it has fewer; or by its first or last from Monday to Friday.
    Each series may have its own phase: weeks that begin on Mondays stand beside weeks that begin on Sundays.
    """

    unit: str
    step: int  # in that unit
    first: int  # the time of step 0 in that unit: a number, microseconds, days or months since 1970
    day: int = 1  # of the month
    within_day_us: int = 0  # of the month's day, or of each open day
    open: str = "1111111"  # which days of the week have values, from Monday on
    by_instant: bool = False  # whether times are counted in UTC
    zone: str = ""  # of the wall clock
    written: Written = PLAIN

    @classmethod
    def learn(
        cls,
        column: pa.ChunkedArray,
        series_N: np.ndarray,
        place: str,
        *,
        step: str | int | None = None,
        filled: bool = False,
        date_format: str = "",
    ) -> Clock:
        """Tell the step from the gaps between neighbours of each series; `series_N` are the codes of the series.

        `step` says it, such as "1 day". `filled` says that gaps will be filled in: then a step that is seldom kept is
        the greatest that all gaps are multiples of.

        Raises:
            DataFault: the column holds neither dates nor whole numbers, or no gap is usual.
        """
        times = read_times(column, place, date_format)
        zone, written = times.written.zone, times.written
        if step is not None:
            return cls._told(step, times, place)
        gap_n = gaps(times.instant_N, series_N)
        if not len(gap_n):
            raise DataFault.at(place, "no series has two rows of different times", "give series of several rows")
        if not times.are_times:
            return cls("count", usual_gap(gap_n, place, filled), int(times.number_N.min()), written=written)
        if zone and gap_n.min() < SHORTEST_DAY_US:
            step_us = usual_gap(gap_n, place, filled, DAY_US)
            return cls("us", step_us, int(times.instant_N.min()), by_instant=True, zone=zone, written=written)
        time_N, gap_n = times.number_N, gaps(times.number_N, series_N)
        if gap_n.min() >= SHORTEST_MONTH_DAYS * DAY_US and (gap_n % (7 * DAY_US)).any():
            months = usual_gap(np.round(gap_n / (30.436875 * DAY_US)).astype(np.int64), place, filled)
            return cls._months(months, times, place)
        if is_usual(gap_n, DAY_US) and (found := open_days(time_N)) is not None:
            return cls._open(found, times)
        return cls("us", usual_gap(gap_n, place, filled, DAY_US), int(time_N.min()), zone=zone, written=written)

    @classmethod
    def _told(cls, step: str | int, times: Times, place: str) -> Clock:
        """Return the clock of a step that the experiment file says."""
        zone, written = times.written.zone, times.written
        if isinstance(step, int) != (not times.are_times):
            holds = "dates" if times.are_times else "numbers"
            raise DataFault.at(place, f"holds {holds}, but `forecast.step` is {step}", "write a step of that sort")
        if isinstance(step, int):
            return cls("count", step, int(times.number_N.min()), written=written)
        count, unit = parse_step(step)
        if unit in UNITS_MONTHS:
            return cls._months(count * UNITS_MONTHS[unit], times, place)
        if unit == "business day":
            return cls._open(open_days(times.number_N, fewest_weeks=0) or "1111100", times)
        step_us = count * UNITS_US[unit]
        if zone and step_us < SHORTEST_DAY_US:
            return cls("us", step_us, int(times.instant_N.min()), by_instant=True, zone=zone, written=written)
        return cls("us", step_us, int(times.number_N.min()), zone=zone, written=written)

    @classmethod
    def _months(cls, months: int, times: Times, place: str) -> Clock:
        time_N = times.number_N
        first, within = int(_months_of(time_N).min()), int(time_N[0] % DAY_US)
        for day in (int(_fields(time_N)[2].max()), LAST_DAY, FIRST_OPEN, LAST_OPEN):
            made = cls("months", months, first, day, within, zone=times.written.zone, written=times.written)
            if (replace(made, step=1).times(_months_of(time_N) - first) == time_N).all():
                return made
        raise DataFault.at(
            place,
            f"is in steps of {cls('months', months, 0).said}, on changing days of the month",
            "name each month by one day, such as its first, or write `forecast: {step: 1 day}`",
        )

    @classmethod
    def _open(cls, weekdays: str, times: Times) -> Clock:
        first, within = int(times.number_N.min() // DAY_US), int(times.number_N[0] % DAY_US)
        return cls("open days", 1, first, 1, within, weekdays, zone=times.written.zone, written=times.written)

    @property
    def date_format(self) -> str:
        """The format of dates that are text, where it is not told by the text itself; "" elsewhere."""
        return self.written.date if "%d" in self.written.date and self.written.date != ISO else ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Clock:
        """Return the clock of plain data, which `dataclasses.asdict` made of it."""
        return cls(**{**data, "written": Written(**data["written"])})

    @property
    def word(self) -> str:
        """The step in a word: hours, days, open days, weeks, months, quarters; "" for any other."""
        if self.unit == "months":
            return {1: "months", 3: "quarters"}.get(self.step, "")
        if self.unit == "open days":
            return "open days"
        return {HOUR_US: "hours", DAY_US: "days", 7 * DAY_US: "weeks"}.get(self.step, "") if self.unit == "us" else ""

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps of the usual seasons, the longest first; 1, which is none, at the end."""
        return (*((self.open.count("1"),) if self.unit == "open days" else SEASONS.get(self.word, ())), 1)

    @property
    def year(self) -> int:
        """Steps of a year, whole weeks where there are weekdays; 0 where none is known."""
        return 52 * self.open.count("1") if self.unit == "open days" else YEARS.get(self.word, 0)

    def index(
        self, column: pa.ChunkedArray, place: str, series_N: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the step of each time, and the phase of each row's series, which lies within a step.

        Without the codes `series_N` all rows are of one series.

        Raises:
            DataFault: a time is missing, or falls between two steps of its series; with its row.
        """
        times = read_times(column, place, self.date_format)
        if times.are_times != (self.unit != "count"):
            raise DataFault.at(
                place, "holds dates" if times.are_times else "holds numbers", "give times as in training"
            )
        low, high = (FIRST_US, LAST_US) if times.are_times else (-LARGEST_COUNT, LARGEST_COUNT)
        beyond_N = (times.number_N < low) | (times.number_N >= high)
        if beyond_N.any():
            row = int(np.flatnonzero(beyond_N)[0])
            expected = (
                "give times of the years 1 to 8999" if times.are_times else f"give numbers below {LARGEST_COUNT:,}"
            )
            raise DataFault.at(place, f"{int(beyond_N.sum()):,} rows lie too far off (first: row {row})", expected)
        time_N = self._counted(times)
        index_N = (self._units_of(time_N) - self.first) // self.step
        phase_N = time_N - self.times(index_N)
        usual_N = np.zeros(len(phase_N), np.int64)
        if self.unit in ("us", "count"):
            usual_N = usual_phases(phase_N, np.zeros_like(phase_N) if series_N is None else series_N)
        wrong_N = phase_N != usual_N
        if wrong_N.any():
            row = int(np.flatnonzero(wrong_N)[0])
            raise DataFault.at(
                place,
                f"{int(wrong_N.sum()):,} of {len(wrong_N):,} rows fall between steps of {self.said} "
                f"(first: {column[row].as_py()} in row {row})",
                "give each series values at equal steps of time, or say the step, such as `forecast: {step: 1 day}`",
            )
        return index_N, usual_N

    def _counted(self, times: Times) -> np.ndarray:
        """Return times as this clock counts them: instants, what its wall clock shows, or plain numbers."""
        if self.by_instant:
            return times.instant_N if times.offset_N is not None else to_instant(times.number_N, self.zone)
        if times.offset_N is not None and self._converts(times.written):
            return to_wall(times.instant_N, self.zone)
        return times.number_N

    def _converts(self, written: Written) -> bool:
        """Whether times so written are to be seen in another zone, where their days are those of this clock."""
        return bool(written.zone) and written.zone != self.zone and offset_us(self.zone) is None

    def _units_of(self, time_N: np.ndarray) -> np.ndarray:
        if self.unit == "months":
            return _months_of(time_N)
        if self.unit == "open days":
            begin = np.datetime64(self.first, "D")
            day_N = (time_N // DAY_US).astype("datetime64[D]")
            return self.first + np.busday_count(begin, day_N, weekmask=self.open)
        return time_N

    @property
    def said(self) -> str:
        """The step for people.

        Example:
            >>> Clock("us", DAY_US, 0).said
            '1 day'
        """
        if self.unit == "open days":
            return f"1 day ({', '.join(name for name, told in zip(WEEKDAYS, self.open, strict=True) if told == '1')})"
        if self.unit != "us":
            return f"{self.step} {'month' if self.unit == 'months' else 'count'}{'s' * (self.step > 1)}"
        name, size = next(
            (name, size)
            for name, size in (*reversed(UNITS_US.items()), ("microsecond", 1))
            if self.step % size == 0 and name != "week"
        )
        count = self.step // size
        return f"{count:,} {name}{'s' * (count > 1)}"

    def times(self, index_N: np.ndarray) -> np.ndarray:
        """Return the times of steps: numbers, or microseconds since 1970."""
        if self.unit == "open days":
            begin = np.datetime64(self.first, "D")
            open_N = np.busday_offset(begin, index_N, roll="forward", weekmask=self.open)
            found: np.ndarray = open_N.astype(np.int64) * DAY_US + self.within_day_us
            return found
        number_N: np.ndarray = self.first + index_N * self.step
        if self.unit != "months":
            return number_N
        day_N = self._days_of_months(number_N.astype("datetime64[M]").astype("datetime64[D]"), number_N)
        of_month: np.ndarray = day_N.astype("datetime64[us]").astype(np.int64) + self.within_day_us
        return of_month

    def _days_of_months(self, first_N: np.ndarray, number_N: np.ndarray) -> np.ndarray:
        following_N = (number_N + 1).astype("datetime64[M]").astype("datetime64[D]")
        if self.day == FIRST_OPEN:
            return np.busday_offset(first_N, 0, roll="forward")
        if self.day == LAST_OPEN:
            return np.busday_offset(following_N, -1, roll="forward")
        day_N: np.ndarray = np.minimum(
            first_N + np.timedelta64(self.day - 1, "D"), following_N - np.timedelta64(1, "D")
        )
        return day_N

    def column(self, index_N: np.ndarray, phase_N: np.ndarray | int = 0, written: Written | None = None) -> pa.Array:
        """Return the times of steps as they stand in the data: text, dates, times or numbers.

        `written` says how, where other rows than those of the training are answered.
        """
        written = written or self.written
        time_N = self.times(index_N) + phase_N
        if self.unit == "count":
            return written.numbers(time_N)
        if self.by_instant:
            return written.times(to_wall(time_N, written.zone or self.zone), time_N)
        if self._converts(written):
            instant_N = to_instant(time_N, self.zone)
            return written.times(to_wall(instant_N, written.zone), instant_N)
        return written.times(time_N)

    def calendar(self, index_N: np.ndarray, phase_N: np.ndarray | int = 0) -> dict[str, np.ndarray]:
        """Return what the calendar says of steps: place in the year as waves, month, weekday, hour where they vary."""
        if self.unit == "count":
            return {}
        time_N = self.times(index_N) + phase_N
        if self.by_instant:
            time_N = to_wall(time_N, self.zone)
        year_N, month_N, day_N = _fields(time_N)
        january_N = (year_N - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        share_N = (time_N // DAY_US - january_N) / 365.25
        found = {"month": month_N.astype(np.float64)}
        for times in (1, 2):
            found[f"year sine {times}"] = np.sin(2 * np.pi * times * share_N)
            found[f"year cosine {times}"] = np.cos(2 * np.pi * times * share_N)
        if self.unit == "open days" or (self.unit == "us" and self.step % (7 * DAY_US)):
            found["weekday"] = ((time_N // DAY_US + 3) % 7).astype(np.float64)  # 1970 began on a Thursday
            found["day of month"] = day_N.astype(np.float64)
        if self.unit == "us" and self.step % DAY_US:
            found["hour"] = (time_N % DAY_US / HOUR_US).astype(np.float64)
        return found


WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


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
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _ranks(pc.cast(array, pa.float64() if text else array.type))
    if text:
        return _ranks(pa.array(read_times(array, place).instant_N))
    raise DataFault.at(place, "holds neither numbers nor dates to order rows by", "write times as 2026-01-31 10:00:00")


def _ranks(array: pa.Array) -> np.ndarray:
    found: np.ndarray = pc.rank(array, tiebreaker="dense").to_numpy().astype(np.int64)
    return found


def _fields(time_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return year, month 1 to 12 and day 1 to 31."""
    day_N = time_N.astype("datetime64[us]").astype("datetime64[D]")
    month_N = day_N.astype("datetime64[M]")
    number_N = month_N.astype(np.int64)
    return 1970 + number_N // 12, number_N % 12 + 1, (day_N - month_N.astype("datetime64[D]")).astype(np.int64) + 1


def _months_of(time_N: np.ndarray) -> np.ndarray:
    found: np.ndarray = time_N.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return found
