"""Times as they are written: text, dates, times with or without a zone, or numbers; read, and written alike again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import DATE_FORMATS, DATETIME, date_reader, parse_times, with_nulls
from assay.errors import DataFault, Fault

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
ISO = "%Y-%m-%d"
NUMBER = r"^[+-]?\d{1,18}$"
MONTH = r"^\d{1,4}[-/.](0?[1-9]|1[0-2])$"  # a year and a month alone
BEHIND_DATE = (
    r"(?P<between>[ T])\d{2}:\d{2}(:\d{2})?(?P<part>\.\d+)?"
    r"(?P<zone> ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?$"
)
OFFSET = r"^ ?([+-])(\d{2})(:?)(\d{2})?$"
NO_OFFSET = ("Z", "UTC", "GMT")


@dataclass(frozen=True)
class Written:
    """How the times of a column are written.

    `type` is "number", "text", "date" or "time". Text has the format of its date, "" for numbers; what stands between
    date and time of day, "" where there is none; and the digits of a second's fraction, -1 where it ends with minutes.
    `zone` is the name of a time zone, or an offset from UTC as it stands behind the newest time.
    """

    type: str
    date: str = ""
    between: str = ""
    digits: int = 0
    zone: str = ""

    @property
    def text(self) -> bool:
        """Whether the column holds text."""
        return self.type == "text"

    def numbers(self, number_N: np.ndarray) -> pa.Array:
        """Return whole numbers as they stand in the data."""
        return pa.array(number_N.astype(str) if self.text else number_N)

    def times(self, wall_N: np.ndarray, instant_N: np.ndarray | None = None) -> pa.Array:
        """Return microseconds of the wall clock, whose instants may be known, as they stand in the data."""
        if self.type == "date":
            return pc.cast(pa.array(wall_N, pa.timestamp("us")), pa.date32())
        if self.type == "time":
            if not self.zone:
                return pa.array(wall_N, pa.timestamp("us"))
            return pa.array(to_instant(wall_N, self.zone) if instant_N is None else instant_N, pa.timestamp("us")).cast(
                pa.timestamp("us", self.zone)
            )
        unique_n, place_N = np.unique(wall_N, return_inverse=True)
        words = self._dates(unique_n)
        if self.between:
            words = [f"{word}{self.between}{clock}" for word, clock in zip(words, self._clocks(unique_n), strict=True)]
        return pa.array(words, pa.string()).take(pa.array(place_N.reshape(-1)))

    def _dates(self, wall_n: np.ndarray) -> list[str]:
        day_n = wall_n.astype("datetime64[us]").astype("datetime64[D]")
        if self.date == ISO:
            return [str(word) for word in np.datetime_as_string(day_n)]
        if self.date.startswith("%Y") and self.date.endswith("%m"):
            month_n = day_n.astype("datetime64[M]").astype(np.int64)
            width = 4 if month_n.min() >= 12 * (1000 - 1970) else 1
            return [f"{1970 + month // 12:0{width}}{self.date[2]}{month % 12 + 1:02}" for month in month_n.tolist()]
        return [day.strftime(self.date) for day in day_n.astype(object)]

    def _clocks(self, wall_n: np.ndarray) -> list[str]:
        form: Literal["m", "s", "us"] = "m" if self.digits < 0 else "s" if not self.digits else "us"
        words = [str(word)[11:] for word in np.datetime_as_string(wall_n.astype("datetime64[us]"), unit=form)]
        if self.digits > 0:
            words = [word[: 9 + self.digits] for word in words]
        return [word + self.zone for word in words]


@dataclass(frozen=True)
class Times:
    """The times of a column: whole numbers, or microseconds since 1970 as the wall clock shows them.

    `offset_N` is how far the wall clock is ahead of UTC in microseconds; None where no zone is known.
    """

    number_N: np.ndarray
    offset_N: np.ndarray | None
    written: Written

    @property
    def are_times(self) -> bool:
        """Whether these are times, and not plain numbers."""
        return self.written.type in ("date", "time") or bool(self.written.date)

    @property
    def instant_N(self) -> np.ndarray:
        """Microseconds since 1970 in UTC, those of the wall clock where no zone is known; or plain numbers."""
        found: np.ndarray = self.number_N if self.offset_N is None else self.number_N - self.offset_N
        return found


def read_times(column: pa.ChunkedArray | pa.Array, place: str, date_format: str = "") -> Times:
    """Return the times of a column.

    Text is read in `date_format` if there is one, else as whole numbers, in ISO 8601, as a year and a month, or in the
    one format that fits all of it.

    Raises:
        DataFault: a time is missing or not a time, with its row; or days and months cannot be told apart.
    """
    array = with_nulls(column)
    missing_N = np.asarray(array.is_null(nan_is_null=True))
    if missing_N.any():
        row = int(np.flatnonzero(missing_N)[0])
        raise DataFault.at(place, f"{int(missing_N.sum()):,} rows have no time (first: row {row})", "fill them in")
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _of_text(pc.cast(array, pa.string()), place, date_format)
    if pa.types.is_date(array.type):
        return Times(_microseconds(array), None, Written("date"))
    if pa.types.is_timestamp(array.type):
        return _of_timestamps(array)
    try:
        return Times(pc.cast(array, pa.int64()).to_numpy(zero_copy_only=False), None, Written("number"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _no_times(place) from None


def to_wall(instant_N: np.ndarray, zone: str) -> np.ndarray:
    """Return what the wall clock of a zone shows at instants, in microseconds since 1970."""
    fixed_us = offset_us(zone)
    if fixed_us is not None:
        found: np.ndarray = instant_N + fixed_us
        return found
    return _us(_index(instant_N).tz_localize("UTC").tz_convert(zone).tz_localize(None))


def to_instant(wall_N: np.ndarray, zone: str) -> np.ndarray:
    """Return the instants at which the wall clock of a zone shows times; the first of two, the next where none does."""
    fixed_us = offset_us(zone)
    if fixed_us is not None:
        found: np.ndarray = wall_N - fixed_us
        return found
    first_N = np.ones(len(wall_N), bool)
    local = _index(wall_N).tz_localize(zone, ambiguous=first_N, nonexistent="shift_forward")
    return _us(local.tz_convert("UTC").tz_localize(None))


def offset_us(zone: str) -> int | None:
    """Return the offset from UTC in microseconds of a zone that is written as one; None of a name.

    Example:
        >>> offset_us("+02:00"), offset_us("Z"), offset_us("Europe/Berlin")
        (7200000000, 0, None)
    """
    if not zone or zone.strip() in NO_OFFSET:
        return 0
    found = re.match(OFFSET, zone)
    if found is None:
        return None
    sign, hours, _, minutes = found.groups()
    return (1 if sign == "+" else -1) * (int(hours) * HOUR_US + int(minutes or 0) * MINUTE_US)


def _of_timestamps(array: pa.Array) -> Times:
    number_N = _microseconds(array)
    if array.type.tz is None:
        whole_days = not (number_N % DAY_US).any()
        return Times(number_N, None, Written("date" if whole_days else "time"))
    wall_N = to_wall(number_N, array.type.tz)
    return Times(wall_N, wall_N - number_N, Written("time", zone=array.type.tz))


def _of_text(text: pa.Array, place: str, date_format: str) -> Times:
    encoded = text.dictionary_encode()
    words, code_N = encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False)

    def all_match(pattern: str) -> bool:
        return bool(pc.all(pc.match_substring_regex(words, pattern)).as_py())

    if not date_format and all_match(NUMBER):
        return Times(pc.cast(words, pa.int64()).to_numpy()[code_N], None, Written("text"))
    form, iso = ISO, words
    if not all_match(DATETIME):
        if all_match(MONTH):
            form = f"%Y{re.split(r'[0-9]+', words[0].as_py())[1]}%m"
            iso = pa.array([_month_as_iso(word) for word in words.to_pylist()])
        else:
            form = _format_of(words.to_pylist(), place, date_format)
            read = date_reader(form)
            iso = pa.array([read(word) for word in words.to_pylist()], pa.string())
    # What stands behind a date is the same in the original and in ISO 8601, but for AM and PM.
    behind = [re.search(BEHIND_DATE, word) for word in iso.to_pylist()]
    zones = [None if found is None else found["zone"] for found in behind]
    offset_n = np.array([offset_us(zone or "") or 0 for zone in zones], np.int64)
    try:
        number_n = _microseconds(parse_times(iso)) + offset_n
    except pa.ArrowInvalid:
        raise DataFault.at(place, "holds a day that does not exist", "correct the day") from None
    told = [found for found in behind if found is not None]
    digits = max((len(found["part"]) - 1 for found in told if found["part"]), default=0)
    if told and not any(re.search(r":\d{2}:\d{2}", word) for word in words.to_pylist()):
        digits = -1
    newest = int(np.argmax(number_n - offset_n))
    written = Written("text", form, told[0]["between"] if told else "", min(digits, 6), zones[newest] or "")
    has_zone = any(zone is not None for zone in zones)
    return Times(number_n[code_N], offset_n[code_N] if has_zone else None, written)


def _format_of(words: list[str], place: str, date_format: str) -> str:
    """Return the one format in which all words are dates.

    Raises:
        DataFault: there is none, or several.
    """
    fitting = [form for form in ((date_format,) if date_format else DATE_FORMATS) if _all_read(form, words)]
    if not fitting:
        raise _no_times(place)
    told = {tuple(map(date_reader(form), words)): form for form in reversed(fitting)}
    if len(told) > 1:
        name = place.removeprefix("column ").strip("'")
        forms = " or ".join(form for form in fitting if form in told.values())
        raise DataFault.at(
            place,
            f"may be read as {forms} (first: {words[0]})",
            f'write `columns: {{{name}: {{date_format: "{fitting[0]}"}}}}`',
        )
    return fitting[0]


def _all_read(form: str, words: list[str]) -> bool:
    read = date_reader(form)
    return all(read(word) is not None for word in words)


def _no_times(place: str) -> DataFault:
    fault = Fault(place, "holds neither dates nor whole numbers", "write times as 2026-01-31 10:00:00")
    return DataFault(fault)


def _month_as_iso(word: str) -> str:
    year, month = re.split("[-/.]", word)
    return f"{int(year):04}-{int(month):02}-01"


def _microseconds(array: pa.Array) -> np.ndarray:
    plain = pa.timestamp("us", getattr(array.type, "tz", None))
    found: np.ndarray = pc.cast(pc.cast(array, plain, safe=False), pa.int64()).to_numpy(zero_copy_only=False)
    return found


def _index(number_N: np.ndarray) -> Any:
    import pandas as pd

    return pd.DatetimeIndex(number_N.astype("datetime64[us]"))


def _us(index: Any) -> np.ndarray:
    found: np.ndarray = index.as_unit("us").asi8.astype(np.int64)
    return found
