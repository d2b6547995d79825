"""Text that is a date or a time: ISO 8601 as databases write it, and the day that cannot be."""

from __future__ import annotations

import calendar
import re

import pyarrow as pa
import pyarrow.compute as pc

DATE, TIME = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
ZONE = r" ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)"
DATETIME = rf"^{DATE}([ T]{TIME}({ZONE})?)?$"
ZERO = r"^0000-00-00([ T]00:00(:00(\.0+)?)?)?$"  # how MySQL writes that there is none
SHORT_MONTH = r"^\d{4}-(02-(29|30|31)|(04|06|09|11)-31)"


def impossible(text: str) -> bool:
    """Return whether a text is written like a date whose day its month does not have.

    Example:
        >>> impossible("2023-02-30"), impossible("2024-02-29 12:00"), impossible("tomorrow")
        (True, False, False)
    """
    found = re.match(r"(\d{4})-(\d{2})-(\d{2})", text)
    if found is None or not re.match(SHORT_MONTH, text):
        return False
    year, month, day = map(int, found.groups())
    return year == 0 or day > calendar.monthrange(year, month)[1]


def parse_times(text: pa.Array) -> pa.Array:
    """Parse texts that match DATETIME to the microsecond; times with a zone are turned to UTC, others stay as they are.

    Raises:
        pyarrow.ArrowInvalid: a day is impossible.
    """
    text = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
    with_zone = pc.match_substring_regex(text, rf":\d{{2}}(\.\d+)?{ZONE}$")
    none = pa.scalar(None, pa.string())
    plain = pc.cast(pc.if_else(with_zone, none, text), pa.timestamp("us"))
    if not pc.any(with_zone).as_py():
        return plain
    zoned = pc.replace_substring_regex(pc.if_else(with_zone, text, none), r" ?(UTC|GMT)$", "Z")
    zoned = pc.replace_substring_regex(zoned, r" ([+-]\d{2}(:?\d{2})?)$", r"\1")
    return pc.coalesce(plain, pc.cast(pc.cast(zoned, pa.timestamp("us", "UTC")), pa.timestamp("us")))
