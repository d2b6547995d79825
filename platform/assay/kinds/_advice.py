"""What to write in the experiment file for a column of text that holds numbers or dates as people write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.cells import AS_USUAL, Rules, as_float, impossible
from assay.cells.formats import date_reader, number_reader
from assay.kinds._readings import DECIMALS, ISO, PLAIN
from assay.profile import ColumnSummary, Reading
from assay.vocabulary import ColumnKind

MOSTLY = 0.9  # share of the values that must read as numbers or dates
HALF, FEW_ODD = 0.5, 3
FEWEST = 3  # values that tell anything
MAX_CODES = 20  # different whole numbers that may be codes beside a few words
MAX_ODD = 10  # different words that are offered as missing
FIX = "write what means missing as `also_missing`, or correct the values"


@dataclass(frozen=True)
class Advice:
    """What was found, and keys under `columns.NAME` with which it is read; without keys a person must decide."""

    found: str
    keys: Mapping[str, Any] = field(default_factory=dict)

    def fix(self, name: str) -> str:
        """Return what to write."""
        return f"write `columns: {{{name}: {in_yaml(self.keys)}}}`" if self.keys else FIX

    def text(self, name: str) -> str:
        """Return what was found and what to do."""
        return f"{self.found}; {self.fix(name)}"


def advice(summary: ColumnSummary, rules: Rules = AS_USUAL) -> Advice | None:
    """Return what to write where nearly all texts of a column are numbers or dates; None where nothing is needed."""
    seen = summary.seen_as(ColumnKind.NUMERIC, rules)
    valued = seen.num_present
    if "string" not in seen.stored or valued < FEWEST or seen.num_booleans == valued:
        return None
    impossible_days = _impossible_days(seen)
    if impossible_days is not None:
        return impossible_days
    if valued in (seen.num_numbers, seen.num_datetimes):
        return None
    key = max(seen.readings, key=lambda key: (seen.readings[key].count, -_rank(key)), default="")
    if not key or seen.readings[key].count < _enough(seen, key) * valued:
        return None
    reading, is_number = seen.readings[key], key == PLAIN or key in DECIMALS
    if key == PLAIN and seen.num_whole == seen.num_numbers and seen.num_distinct <= MAX_CODES:
        return None  # codes, such as the grades 1, 2, 3 and 4+
    keys: dict[str, Any] = {"kind": "numeric" if is_number else "datetime"}
    keys |= {"decimal": key} if key in DECIMALS else {} if key in (PLAIN, ISO) else {"date_format": key}
    odd = _odd_words(seen, key) if reading.count < valued else []
    if odd:
        keys["also_missing"] = odd
    return Advice(_found(seen, key, valued), {} if odd is None else keys)


def _enough(seen: ColumnSummary, key: str) -> float:
    """Return the share of values that must read so: fewer where the others are the same few words without a digit."""
    odd = _odd_words(seen, key) or []
    words = len(odd) <= FEW_ODD and not any(letter.isdigit() for word in odd for letter in word)
    return HALF if words and seen.num_distinct - len(odd) > MAX_CODES else MOSTLY


def _rank(key: str) -> int:
    """Return the place of a reading among those that read as many values: the plain one first."""
    return 0 if key in (PLAIN, ISO) else 1 + (DECIMALS.index(key) if key in DECIMALS else 0)


def _found(seen: ColumnSummary, key: str, valued: int) -> str:
    reading = seen.readings[key]
    what = "numbers" if key == PLAIN or key in DECIMALS else "dates"
    plain = seen.readings.get(PLAIN if what == "numbers" else ISO, Reading(0, *seen.first_text))
    how = "" if key in (PLAIN, ISO) else f" written like {_example(seen, key, plain)!r}"
    share = "all" if reading.count == valued else f"{reading.count:,} of"
    odd = "" if reading.odd_row < 0 else f" (the first that is none: {reading.odd!r} in row {reading.odd_row})"
    return f"{share} {valued:,} values are {what}{how}{odd}{_doubt(seen, key)}"


def _example(seen: ColumnSummary, key: str, plain: Reading) -> str:
    read = reader(key)
    if plain.odd_row >= 0 and read(plain.odd):
        return plain.odd
    return next((level for level in seen.counts if read(level)), plain.odd)


def _doubt(seen: ColumnSummary, key: str) -> str:
    """Return a word about a second way in which all the same values could be meant."""
    if key in DECIMALS:
        other = DECIMALS[1 - DECIMALS.index(key)]
        if other in seen.readings and seen.readings[other].count == seen.readings[key].count:
            return _two_numbers(seen, key, other)
        return ""
    swapped = key.replace("%d", "%%").replace("%m", "%d").replace("%%", "%m")
    if swapped != key and swapped in seen.readings and seen.readings[swapped].count == seen.readings[key].count:
        return f"; days and months cannot be told apart, {swapped} would read them too"
    return ""


def _two_numbers(seen: ColumnSummary, key: str, other: str) -> str:
    """Return an example of a text that is another number with the other decimal sign, if there is one."""
    read, read_other = reader(key), reader(other)
    for level in seen.counts:
        number, second = read(level), read_other(level)
        if number is not None and second is not None and number != second:
            return f"; {level!r} is read as {number:g}, and with `decimal: '{other}'` as {second:g}"
    return ""


def _odd_words(seen: ColumnSummary, key: str) -> list[str] | None:
    """Return the few different texts that are none of it; None where they are many."""
    read = reader(key)
    odd = {level: count for level, count in seen.counts.items() if read(level) is None}
    complete = sum(odd.values()) == seen.num_present - seen.readings[key].count
    return sorted(odd) if complete and len(odd) <= MAX_ODD else None


def _impossible_days(seen: ColumnSummary) -> Advice | None:
    if not seen.num_datetimes or seen.num_datetimes < MOSTLY * seen.num_present:
        return None
    days = {level: count for level, count in seen.counts.items() if impossible(level)}
    if not days:
        return None
    shown = sorted(days)
    found = f"{sum(days.values()):,} of {seen.num_present:,} values are days that do not exist, such as {shown[0]!r}"
    return Advice(found, {"also_missing": shown} if len(days) <= MAX_ODD else {})


def reader(key: str) -> Callable[[str], Any]:
    """Return what reads one text as numbers or dates of a reading; None where it is none."""
    if key == PLAIN:
        return as_float
    if key in DECIMALS:
        return number_reader(key)
    return (lambda text: text if text[:4].isdigit() and text[4:5] == "-" else None) if key == ISO else date_reader(key)


def in_yaml(value: Any) -> str:
    """Return keys as YAML on one line.

    Example:
        >>> in_yaml({"kind": "numeric", "decimal": ",", "also_missing": ["n/k"]})
        "{kind: numeric, decimal: ',', also_missing: ['n/k']}"
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {in_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(in_yaml(item) for item in value) + "]"
    return str(value) if str(value).isalpha() else "'" + str(value).replace("'", "''") + "'"
