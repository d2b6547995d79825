"""Rows that cannot be read, found among those that can, for every kind of data alike.

Nothing here knows what a row holds: whatever reads rows raises a DataFault, and halving the rows finds the ones that
cause it. A fault that no single row causes, such as a missing column, is raised as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import DataFault, Fault
from assay.parts import Json

PROBLEM = "assay_problem"  # column in which a reader says of a row why its image cannot be read
MAX_NAMED = 20  # bad rows that are listed; the others are counted


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read, by its place in the rows that were given, and why."""

    row: int
    reason: str
    file: str = ""

    def to_json(self) -> Json:
        """Return it as results print it."""
        return {"row": self.row, **({"file": self.file} if self.file else {}), "error": self.reason}

    def __str__(self) -> str:
        return f"{self.file + ', ' if self.file else ''}row {self.row:,}: {self.reason}"


def find_bad_rows(num_rows: int, read: Callable[[np.ndarray], object]) -> list[BadRow]:
    """Return the rows that `read` refuses with a DataFault; it is called with places of rows, in rising order.

    Raises:
        DataFault: what `read` raises of no rows at all, or where it refuses every single row.

    Example:
        >>> def read(places):
        ...     for place in places:
        ...         if place == 2:
        ...             raise DataFault.at("column 'x'", "found text in row 0")
        >>> [str(one) for one in find_bad_rows(4, read)]
        ["row 2: column 'x': found text"]
    """
    whole = np.arange(num_rows)
    fault = _fault(read, whole)
    if fault is None:
        return []
    read(whole[:0])  # what is wrong without any row is wrong with the columns
    bad = _bad_within(whole, read)
    if len(bad) == num_rows:
        raise fault
    return bad


def _bad_within(places: np.ndarray, read: Callable[[np.ndarray], object]) -> list[BadRow]:
    fault = _fault(read, places)
    if fault is None:
        return []
    if len(places) == 1:
        return [BadRow(int(places[0]), "; ".join(_reason(one) for one in fault.faults))]
    half = len(places) // 2
    return _bad_within(places[:half], read) + _bad_within(places[half:], read)


def _fault(read: Callable[[np.ndarray], object], places: np.ndarray) -> DataFault | None:
    try:
        read(places)
    except DataFault as fault:
        return fault
    return None


def _reason(fault: Fault) -> str:
    """Return a fault without the row that it names: of a single row that is always the first."""
    return f"{fault.place}: {fault.found.replace(' in row 0', '')}"


def good_places(num_rows: int, bad: Sequence[BadRow]) -> np.ndarray:
    """Return the places of all other rows."""
    good_N = np.ones(num_rows, bool)
    good_N[[one.row for one in bad]] = False
    return np.flatnonzero(good_N)
