"""Slices of rows that a person would ask about: each level of a category, each quarter of a number, what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from assay.profile import ColumnProfile
from assay.vocabulary import MISSING_CODE, ColumnKind

MIN_ROWS = 30  # of a slice, below which its mean says little
MAX_LEVELS = 20  # of a category, the most frequent
QUARTERS = 4


@dataclass(frozen=True)
class Slice:
    """Some of the rows, and what they have in common."""

    name: str
    index_n: np.ndarray  # their places


def slices(profiles: Sequence[ColumnProfile], columns: dict[str, np.ndarray]) -> list[Slice]:
    """Return the slices of MIN_ROWS rows or more; `columns` are canonical (see `batch.COLUMN_DTYPE`).

    Example:
        >>> town = ColumnProfile("town", ColumnKind.CATEGORY, levels=("Oslo", "Rome"))
        >>> [one.name for one in slices([town], {"town": np.repeat([0, 1, -1], [40, 30, 5])})]
        ["town = 'Oslo'", "town = 'Rome'"]
    """
    found = [Slice(name, np.flatnonzero(mask_N)) for profile in profiles for name, mask_N in _masks(profile, columns)]
    num_rows = len(next(iter(columns.values()), ()))
    return [one for one in found if MIN_ROWS <= len(one.index_n) < num_rows]


def _masks(profile: ColumnProfile, columns: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    value_N, name = columns[profile.name], profile.name
    if profile.kind is ColumnKind.CATEGORY:
        yield f"{name} is missing", value_N == MISSING_CODE
        yield f"{name} is a level that training never saw", value_N == len(profile.levels)
        for code, level in enumerate(profile.levels[:MAX_LEVELS]):
            yield f"{name} = '{level}'", value_N == code
    elif profile.kind is ColumnKind.BOOLEAN:
        yield f"{name} is missing", np.isnan(value_N)
        yield f"{name} = true", value_N == 1
        yield f"{name} = false", value_N == 0
    elif profile.kind is ColumnKind.NUMERIC:
        yield f"{name} is missing", np.isnan(value_N)
        yield from _quarters(name, value_N)


def _quarters(name: str, value_N: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    present_n = value_N[~np.isnan(value_N)]
    if not len(present_n):
        return
    edges = np.unique(np.quantile(present_n, np.linspace(0, 1, QUARTERS + 1)))
    for low, high in pairwise(edges.tolist()):
        last = high == float(edges[-1])
        within_N = (value_N >= low) & ((value_N <= high) if last else (value_N < high))
        yield f"{name} from {low:.4g} {'to' if last else 'to below'} {high:.4g}", within_N
