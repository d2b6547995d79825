"""How a CSV file is laid out: its encoding, its delimiter, its names, and which rows at its head are no data."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import pyarrow as pa

from assay.cells import NUMBERS, as_float
from assay.errors import AssayError, DataFault
from assay.notices import notice
from assay.sources import _encoding
from assay.sources._paths import REMOTE, open_stream

Header = Literal["first", "none", "detect"]

DELIMITERS = (",", ";", "\t", "|")
SHOWN_ROWS = 60  # at the head of a file, that tell its delimiter and its header
HEAD_BYTES = 1 << 18  # read for them; more where a row is longer
MAX_HEAD_BYTES = 64 << 20
LONGEST_CELL = 1 << 30
MIN_ROWS = 5  # below the first row, to tell a header from data
MOSTLY = 0.9  # of the values of a column that make it one of numbers
RESPONSE = re.compile(r"(open-ended |other )?response|other \(please specify\)|unnamed: \d+_level_1", re.IGNORECASE)
IMPORT_ID = re.compile(r'^\{"?ImportId')  # third line of Qualtrics
MAX_EXTRA = 2  # header rows below the first


@dataclass(frozen=True)
class LayoutOptions:
    """What an experiment file says of a CSV file; None where it is to be found out."""

    encoding: str | None = None
    header: Header | None = None
    skip_rows: int | None = None


@dataclass(frozen=True)
class Layout:
    """How a file is read."""

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    has_header: bool = True
    num_extra: int = 0  # rows below the header that are no data
    first_row: tuple[str, ...] = ()  # as it stands
    index: str | None = None  # name of a first column without a name that counts rows

    @property
    def num_skipped(self) -> int:
        """Rows at the head that are no data."""
        return int(self.has_header) + self.num_extra


def open_text(file: str, encoding: str) -> Any:
    """Open a file as a stream of UTF-8."""
    stream = open_stream(file)
    if encoding in ("utf-8", "ascii"):
        return stream
    return pa.transcoding_input_stream(stream, encoding, "utf-8")


def layout(file: str, options: LayoutOptions) -> Layout:
    """Return how a file is laid out, and tell what was found out that its user should know.

    Raises:
        DataFault: it is no text, has no readable header, or its first row looks like data and `header` is not said.
    """
    return _layout(file, options, _stamp(file))


def _stamp(file: str) -> tuple[float, int]:
    """Return what changes when a local file does."""
    import os

    if REMOTE in file:
        return 0.0, 0
    found = os.stat(file)
    return found.st_mtime, found.st_size


@lru_cache(maxsize=1_024)
def _layout(file: str, options: LayoutOptions, _: tuple[float, int]) -> Layout:
    try:
        encoding = _encoding.known(options.encoding, "data.encoding") if options.encoding else _encoding.detect(file)
    except OSError as error:
        raise _unreadable(file, options.encoding or "utf-8", error) from None
    rows, delimiter = _head(file, encoding)
    first = rows[0] if rows else []
    if not any(name.strip() for name in first):
        raise DataFault.at(file, "has no header line", "make the first line the names of the columns")
    headless = looks_headless(rows)
    if options.header is None and headless:
        raise _headless(file, first)
    has_header = options.header == "first" or (options.header != "none" and not headless)
    num_extra = options.skip_rows if options.skip_rows is not None else num_extra_rows(rows) if has_header else 0
    found = Layout(encoding, delimiter, (), has_header, num_extra, tuple(first))
    names = _names(file, first, has_header)
    _tell(file, found, options)
    index = (
        names[0] if has_header and _is_index(first[0], [row[0] for row in rows[found.num_skipped :] if row]) else None
    )
    return Layout(encoding, delimiter, tuple(names), has_header, num_extra, tuple(first), index)


def _tell(file: str, found: Layout, options: LayoutOptions) -> None:
    if found.encoding not in ("utf-8", "ascii") and options.encoding is None:
        notice(f"{file}: is read as {found.encoding}, which its bytes look like; `data.encoding` names another")
    if found.num_extra and options.skip_rows is None:
        rows = "row below the header is" if found.num_extra == 1 else f"{found.num_extra} rows below the header are"
        notice(f"{file}: the {rows} left out, as no data; `data.skip_rows: 0` keeps them")


def _headless(file: str, first: Sequence[str]) -> AssayError:
    shown = ", ".join(first[:6]) + (", …" if len(first) > 6 else "")
    return DataFault.at(
        file,
        f"has no header row, it seems: its first row looks like data ({shown})",
        "write `data: {header: none}`; the columns are then named column_1, column_2, …, and the label is one of them. "
        "If the first row does hold the names, write `data: {header: first}`",
    )


def _head(file: str, encoding: str) -> tuple[list[list[str]], str]:
    """Return the first rows of a file, and what separates their values."""
    csv.field_size_limit(LONGEST_CELL)
    size = HEAD_BYTES
    while True:
        try:
            with open_text(file, encoding) as stream:
                data = stream.read(size)
        except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise _unreadable(file, encoding, error) from None
        text = data.decode("utf-8-sig", errors="replace")
        if "\0" in text:
            raise DataFault.at(file, "is not text (it holds zero bytes)", "name its real format in data.format")
        whole = len(data) < size
        delimiter = _delimiter(file, text, whole)
        rows = _rows(text, delimiter, whole)
        if whole or len(rows) > 1 or size >= MAX_HEAD_BYTES:
            return rows, delimiter
        size *= 8


def _unreadable(file: str, encoding: str, error: Exception) -> AssayError:
    from assay.sources._broken import as_fault

    if isinstance(error, UnicodeDecodeError) or "decode" in str(error):
        return DataFault.at(
            file, f"is not in the encoding {encoding} ({error})", "leave `data.encoding` out, to have it detected"
        )
    return as_fault(file, error)


def _rows(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    """Return rows that are whole; of a cut text the last one may not be."""
    found: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                found.append(row)
            if len(found) > SHOWN_ROWS:
                return found[:SHOWN_ROWS]
    except csv.Error:
        pass
    return found if whole or len(found) < 2 else found[:-1]


def _delimiter(file: str, text: str, whole: bool) -> str:
    """Return the delimiter that cuts all rows into as many values; the one of the file's ending where several do."""
    usual = "\t" if file.lower().removesuffix(".gz").endswith((".tsv", ".tab")) else ","
    for delimiter in (usual, *(one for one in DELIMITERS if one != usual)):
        rows = _rows(text, delimiter, whole)
        if rows and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows):
            return delimiter
    return usual


def looks_headless(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is one of data: numbers stand above columns of numbers.

    Years above numbers, as in a table of one column a year, are names.

    Example:
        >>> looks_headless([["6", "148"], *[["1", "85"]] * 5]), looks_headless([["age", "x"], *[["1", "85"]] * 5])
        (True, False)
    """
    first, body = rows[0], rows[1:]
    if len(body) < MIN_ROWS:
        return False
    numeric = [place for place in range(len(first)) if _is_numeric([row[place] for row in body if place < len(row)])]
    above = [first[place].strip() for place in numeric]
    numbers = [as_float(text) for text in above]
    if not numeric or any(
        number is None and not NUMBERS.has(text) for number, text in zip(numbers, above, strict=True)
    ):
        return False
    there = [number for number in numbers if number is not None]
    return bool(there) and not _are_years(there)


def _is_numeric(values: Sequence[str]) -> bool:
    there = [value.strip() for value in values if not NUMBERS.has(value.strip())]
    return bool(there) and sum(as_float(value) is not None for value in there) >= MOSTLY * len(there)


def _are_years(numbers: Sequence[float]) -> bool:
    steps = {after - before for before, after in pairwise(numbers)}
    whole = all(number.is_integer() and 1_500 <= number <= 2_200 for number in numbers)
    return whole and len(numbers) > 1 and len(steps) == 1 and steps != {0.0}


def num_extra_rows(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows below the header are no data: those of survey tools, and of units above numbers.

    Example:
        >>> num_extra_rows([["id", "film"], ["", "Response"], *[["7", "Yes"]] * 6])
        1
    """
    if len(rows) < MIN_ROWS + 2:
        return 0
    if any(IMPORT_ID.match(cell) for cell in rows[2]):
        return MAX_EXTRA
    below = rows[2:]
    if _are_responses(rows[1], below) or _are_units(rows[1], below):
        return 1
    return 0


def _are_responses(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row holds the words that survey tools write below a question, and no other row does."""
    places = [place for place, cell in enumerate(row) if RESPONSE.fullmatch(cell.strip())]
    return any(all(len(one) <= place or one[place] != row[place] for one in below) for place in places)


def _are_units(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row has words above all columns that hold numbers, two of them at least."""
    numeric = [place for place in range(len(row)) if _is_numeric([one[place] for one in below if place < len(one)])]
    words = [row[place].strip() for place in numeric]
    return len(numeric) > 1 and all(not NUMBERS.has(word) and as_float(word) is None for word in words)


def _names(file: str, first: Sequence[str], has_header: bool) -> list[str]:
    """Return a name for each column, each once."""
    if not has_header:
        return [f"column_{place + 1}" for place in range(len(first))]
    return once_each(file, [name.strip() or f"column_{place + 1}" for place, name in enumerate(first)])


def once_each(file: str, names: Sequence[str]) -> list[str]:
    """Return names of which none stands twice: the second `a` becomes `a.1`, as in pandas; told."""
    found: list[str] = []
    taken = set(names)
    seen: dict[str, int] = {}
    for name in names:
        number = seen.get(name, 0)
        new = name
        while number and new in taken:
            new = f"{name}.{number}"
            number += 1
        seen[name] = max(number, 1)
        taken.add(new)
        found.append(new)
        if new != name:
            notice(f"{file}: has more than one column named {name!r}; the further one is named {new!r}")
    return found


def _is_index(name: str, values: Sequence[str]) -> bool:
    """Whether a column is the row numbers that pandas writes: first, without a name, counting."""
    if name.strip() not in ("", "Unnamed: 0") or len(values) < 2:
        return False
    numbers = [as_float(value) for value in values]
    if any(number is None or not number.is_integer() or number < 0 for number in numbers):
        return False
    return len(set(numbers)) == len(numbers)
