"""Numbers and dates as people write them: 1.234,5 and $12, 31/12/2023 and 14:05; read where the experiment says how."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

SPACE = "[ \\x{a0}\\x{202f}\\x{2009}]"
APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
MINUS = "\N{MINUS SIGN}"
CURRENCY = (
    r"(?:(?:[A-Z]{1,2})?[$€£¥₹₽₩₺₴₫₪฿¢₦₱₡₲₵₸₼₾]|(?i:USD|EUR|GBP|JPY|CHF|CNY|RMB|INR|AUD|CAD|NZD|SGD|HKD|SEK|NOK|DKK|ISK|PLN"
    r"|CZK|HUF|RON|BGN|RUB|UAH|TRY|ILS|AED|SAR|ZAR|EGP|NGN|KES|BRL|MXN|ARS|CLP|COP|PEN|KRW|THB|IDR|MYR|PHP|VND|TWD"
    r"|Rs\.?|kr\.?|zł|Kč|Ft|Fr\.|lei|лв\.?|руб\.?|р\.))"  # noqa: RUF001
)
OTHER = {".": ",", ",": r"\."}
CLOCK = (
    r"^(?:([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?"
    r"|(-?\d+) days?(?:,? \+?(\d{1,2}):([0-5]\d):([0-5]\d(?:\.\d+)?))?)$"
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DIRECTIVES = {
    "%d": r"(?P<day>0?[1-9]|[12]\d|3[01])",
    "%m": r"(?P<month>0?[1-9]|1[0-2])",
    "%Y": r"(?P<year>\d{4})",
    "%y": r"(?P<short>\d{2})",
    "%b": r"(?P<name>(?i:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*\.?)",
}
CLOCK_BEHIND = (
    r"(?:[ T,]+(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?P<part>\.\d+)?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?P<zone> ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?"
)
DATE_FORMATS = (  # in the order in which they are offered where several read all values
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%d-%b-%y"),
)
ANY_DATE = r"^(?:\d{1,4}[/. -]|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z.]* )[\p{L}\d]"


@dataclass(frozen=True)
class Format:
    """How the numbers or the dates of a column are written, as its experiment says; plain where it says nothing.

    With `decimal` the other of point and comma, spaces and apostrophes separate thousands, and currencies and percent
    signs are left out. `date_format` is a format of `strptime` for the date; a time of day may follow it.
    """

    decimal: str = ""
    date_format: str = ""


PLAIN_FORMAT = Format()


def number_pattern(decimal: str) -> str:
    """Return the pattern of numbers with this decimal sign, for Arrow; groups of digits must be groups."""
    other = OTHER[decimal]
    point = re.escape(decimal)
    gap = f"(?:{SPACE}|['{APOSTROPHE}{other}])"
    digits = rf"(?:(?:\d+|[1-9]\d{{0,2}}(?:{gap}\d{{2,3}})*{gap}\d{{3}})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
    sign = f"[+{MINUS}-]?"
    inner = rf"{sign}{SPACE}*(?:{CURRENCY})?{SPACE}*{sign}{digits}{SPACE}*(?:%|{CURRENCY})?[{MINUS}-]?"
    return rf"^(?:{inner}|\({inner}\))$"


@lru_cache(maxsize=4)
def number_reader(decimal: str) -> Callable[[str], float | None]:
    """Return what reads a text as a number with this decimal sign; None where it is none.

    Example:
        >>> read = number_reader(",")
        >>> [read(text) for text in ("1.234,5", "12,5 %", "€ -7", "(3)", "12.5")]
        [1234.5, 12.5, -7.0, -3.0, None]
    """
    pattern = re.compile(_for_python(number_pattern(decimal)), re.ASCII)
    digits = re.compile(rf"[0-9{re.escape(decimal)}](?:.*[0-9])?[{re.escape(decimal)}]?(?:[eE][+-]?\d+)?")
    gaps = str.maketrans(dict.fromkeys(" \xa0\u202f\u2009'" + APOSTROPHE + OTHER[decimal][-1]) | {decimal: "."})

    def read(text: str) -> float | None:
        if not pattern.match(text):
            return None
        found = digits.search(text)
        assert found is not None
        negative = text.startswith("(") or "-" in _around(text, found) or MINUS in _around(text, found)
        number = float(found.group().translate(gaps))
        return -number if negative else number

    return read


def _around(text: str, found: re.Match[str]) -> str:
    return text[: found.start()] + text[found.end() :]


def seconds_of(text: str) -> float | None:
    """Return the seconds of a time of day, or of a duration as pandas writes it; None for other texts.

    Example:
        >>> seconds_of("14:05"), seconds_of("1 days 00:00:01.5"), seconds_of("25:00")
        (50700.0, 86401.5, None)
    """
    found = re.match(CLOCK, text, re.ASCII)
    if found is None:
        return None
    hour, minute, second, days, more_hours, more_minutes, more_seconds = found.groups()
    if days is None:
        return int(hour) * 3600 + int(minute) * 60 + float(second or 0)
    return int(days) * 86_400 + int(more_hours or 0) * 3600 + int(more_minutes or 0) * 60 + float(more_seconds or 0)


@lru_cache(maxsize=64)
def date_pattern(date_format: str) -> str:
    """Return the pattern of texts in a format of `strptime`, with or without a time of day after it, for Arrow.

    Raises:
        ValueError: the format has no year, month and day, or something that is no part of a date.
    """
    date = re.split(r"[ T,]+%[HI]", date_format.replace("%B", "%b"))[0]
    parts = re.split(r"(%.)", date)
    unknown = [part for part in parts if part.startswith("%") and part not in DIRECTIVES]
    told = {DIRECTIVES[part].split(">")[0] for part in parts if part in DIRECTIVES}
    if unknown or len(told) < 3:
        what = f"has {unknown[0]}" if unknown else "lacks a year, a month or a day"
        raise ValueError(f"{what}; write it of %d, %m or %b, and %Y or %y, such as %d/%m/%Y")
    return "^" + "".join(DIRECTIVES.get(part) or re.escape(part) for part in parts) + CLOCK_BEHIND + "$"


@lru_cache(maxsize=16)
def date_reader(date_format: str) -> Callable[[str], str | None]:
    """Return what writes a text in this format as ISO 8601; None where it is in another.

    Example:
        >>> read = date_reader("%d/%m/%Y")
        >>> read("31/12/2023"), read("1/2/2023 2:05 PM"), read("12/31/2023")
        ('2023-12-31', '2023-02-01 14:05:00', None)
    """
    pattern = re.compile(date_pattern(date_format), re.ASCII)

    def read(text: str) -> str | None:
        found = pattern.match(text)
        return None if found is None else _iso({name: word for name, word in found.groupdict().items() if word})

    return read


def _iso(part: dict[str, str]) -> str:
    year = int(part.get("year") or part["short"])
    if "short" in part:
        year += 1900 if year >= 69 else 2000  # as POSIX has it
    month = MONTHS.index(part["name"][:3].lower()) + 1 if "name" in part else int(part["month"])
    date = f"{year:04}-{month:02}-{int(part['day']):02}"
    if "hour" not in part:
        return date
    hour = int(part["hour"])
    if "half" in part:
        hour = hour % 12 + 12 * (part["half"] in "pP")
    zone = part.get("zone", "")
    return f"{date} {hour:02}:{part['minute']}:{part.get('second', '00')}{part.get('part', '')[:7]}{zone}"


def _for_python(pattern: str) -> str:
    return re.sub(r"\\x\{([0-9a-f]+)\}", lambda found: chr(int(found.group(1), 16)), pattern)
