"""What one pass over the training rows learned about each column.

Each block of rows is summarised on its own and summaries merge, in any grouping, to the summary of all rows: so the
pass runs in parallel, never holds more than a block, and gives the same profile however the rows were cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from assay.cells import AS_USUAL, Format, Levels, Rules, Words
from assay.vocabulary import ColumnKind, Task

SAMPLE_SIZE = 2_048  # rows kept per column; quantiles are good to about 1 %
MAX_DISTINCT = 2_000  # levels counted exactly; beyond it a column has too many to be a category


@dataclass(frozen=True)
class Moments:
    """Count, mean, squared deviations and range of numbers; merges exactly in law.

    Source: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".

    Example:
        >>> Moments.of(np.array([1.0, 2.0])).merge(Moments.of(np.array([3.0]))).mean
        2.0
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")

    @classmethod
    def of(cls, values_N: np.ndarray) -> Moments:
        """Summarise finite numbers."""
        if not len(values_N):
            return cls()
        mean = float(values_N.mean())
        return cls(
            len(values_N), mean, float(((values_N - mean) ** 2).sum()), float(values_N.min()), float(values_N.max())
        )

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of numbers together."""
        count = self.count + other.count
        if not count:
            return self
        gap = other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * other.count / count,
            self.m2 + other.m2 + gap * gap * self.count * other.count / count,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @property
    def std(self) -> float:
        """Standard deviation of the population."""
        return float(np.sqrt(self.m2 / self.count)) if self.count else 0.0


@dataclass(frozen=True)
class Reading:
    """How many texts of a column read as numbers or dates written in one way, and the first that does not."""

    count: int = 0
    odd_row: int = -1
    odd: str = ""

    def merge(self, other: Reading) -> Reading:
        """Return the reading of this block and of `other`, which follows it in row order."""
        first = self if self.odd_row >= 0 else other
        return Reading(self.count + other.count, first.odd_row, first.odd)


@dataclass(frozen=True)
class ColumnSummary:
    """A mergeable summary of one column before it is known what the column holds."""

    num_rows: int = 0
    num_missing: int = 0
    stored: frozenset[str] = frozenset()  # storage types seen: number, boolean, datetime, string, other; and seconds
    other_type: str = ""  # what values stored as "other" are
    missing_words: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # text that may mean missing: count, row
    readings: Mapping[str, Reading] = field(default_factory=dict)  # of text, by how numbers or dates are written
    first_text: tuple[int, str] = (-1, "")  # row and value of the first text that means something
    num_numbers: int = 0  # values that read as a number
    num_whole: int = 0  # … as a whole number
    num_booleans: int = 0  # … as true or false
    num_datetimes: int = 0  # … as a date or a time
    num_infinite: int = 0
    first_infinite_row: int = -1
    first_missing_row: int = -1
    num_words: int = 0
    increasing: bool = True  # whole numbers that only grow with the row id
    first_value: float = float("nan")
    last_value: float = float("nan")
    moments: Moments = Moments()
    counts: Counter[str] = field(default_factory=Counter)  # levels, exact up to MAX_DISTINCT
    too_many_levels: bool = False
    distinct_hashes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    sample: tuple[tuple[int, Any], ...] = ()  # (hash of row id, value): the smallest hashes, a uniform sample

    def merge(self, other: ColumnSummary) -> ColumnSummary:
        """Return the summary of this block and of `other`, which follows it in row order."""
        counts = self.counts + other.counts
        grew = not (self.last_value >= other.first_value)  # true as well where one of them is NaN
        return replace(
            self,
            num_rows=self.num_rows + other.num_rows,
            num_missing=self.num_missing + other.num_missing,
            stored=self.stored | other.stored,
            other_type=self.other_type or other.other_type,
            missing_words=_merged_words(self.missing_words, other.missing_words),
            readings={
                key: self._reading(key).merge(other._reading(key)) for key in {**self.readings, **other.readings}
            },
            first_text=self.first_text if self.first_text[0] >= 0 else other.first_text,
            num_numbers=self.num_numbers + other.num_numbers,
            num_whole=self.num_whole + other.num_whole,
            num_booleans=self.num_booleans + other.num_booleans,
            num_datetimes=self.num_datetimes + other.num_datetimes,
            num_infinite=self.num_infinite + other.num_infinite,
            first_infinite_row=_first(self.first_infinite_row, other.first_infinite_row),
            first_missing_row=_first(self.first_missing_row, other.first_missing_row),
            num_words=self.num_words + other.num_words,
            increasing=self.increasing and other.increasing and grew,
            first_value=other.first_value if np.isnan(self.first_value) else self.first_value,
            last_value=self.last_value if np.isnan(other.last_value) else other.last_value,
            moments=self.moments.merge(other.moments),
            counts=Counter(dict(counts.most_common(MAX_DISTINCT))),
            too_many_levels=self.too_many_levels or other.too_many_levels or len(counts) > MAX_DISTINCT,
            distinct_hashes=np.union1d(self.distinct_hashes, other.distinct_hashes)[:SAMPLE_SIZE],
            sample=tuple(sorted(self.sample + other.sample, key=lambda pair: pair[0])[:SAMPLE_SIZE]),
        )

    def _reading(self, key: str) -> Reading:
        return self.readings.get(key, Reading(0, *self.first_text))

    def without(self, words: Words) -> ColumnSummary:
        """Return the summary as it is when these words mean missing."""
        found = {word: at for word, at in self.missing_words.items() if words.has(word)}
        if not found:
            return self
        from pandas.util import hash_array

        hash_w = hash_array(np.array(list(found), object), categorize=False)
        return replace(
            self,
            num_missing=self.num_missing + sum(count for count, _ in found.values()),
            first_missing_row=_first(self.first_missing_row, min(row for _, row in found.values())),
            missing_words={word: at for word, at in self.missing_words.items() if word not in found},
            counts=Counter({level: count for level, count in self.counts.items() if level not in found}),
            distinct_hashes=np.setdiff1d(self.distinct_hashes, hash_w),
            sample=tuple((key, None if value in found else value) for key, value in self.sample),
        )

    def seen_as(self, kind: ColumnKind, rules: Rules = AS_USUAL) -> ColumnSummary:
        """Return the summary with the words as missing that mean it in a column of this type."""
        return self.without(rules.words(kind))

    @property
    def num_present(self) -> int:
        """Rows that have a value."""
        return self.num_rows - self.num_missing

    @property
    def num_distinct(self) -> float:
        """Distinct values: exact below SAMPLE_SIZE, estimated to about 2 % above.

        Source: Bar-Yossef et al. 2002, "Counting distinct elements in a data stream" (k minimum values).
        """
        kept = len(self.distinct_hashes)
        if kept < SAMPLE_SIZE:
            return float(kept)
        return min(float(self.num_present), (kept - 1) * 2.0**64 / float(self.distinct_hashes[-1]))


def _merged_words(
    left: Mapping[str, tuple[int, int]], right: Mapping[str, tuple[int, int]]
) -> Mapping[str, tuple[int, int]]:
    found = dict(left)
    for word, (count, row) in right.items():
        before, first = found.get(word, (0, row))
        found[word] = (before + count, min(first, row))
    return found


def _first(left: int, right: int) -> int:
    return right if left < 0 else left if right < 0 else min(left, right)


SEQUENCES = ("levels", "level_counts", "sample", "shape", "missing_values", "also_missing", "centres")


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of one column of the training rows; plain data, kept with the model."""

    name: str
    kind: ColumnKind
    dropped: str = ""  # why the column is not used; empty when it is
    num_rows: int = 0
    num_missing: int = 0
    whole: bool = False  # numeric and every value a whole number
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()  # of a category, most frequent first; ties by name
    level_counts: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()  # of one value: height, width, channels of an image; most steps, channels of a series
    as_text: bool = False  # a category whose many levels are words: steps may read them as text too
    sample: tuple[Any, ...] = ()  # uniform sample of values in a fixed random order; None where missing
    note: str = ""  # what its owner should know of it
    missing_values: tuple[str, ...] | None = None  # words that mean missing, where the experiment lists them
    also_missing: tuple[str, ...] = ()  # more words that mean missing
    decimal: str = ""  # of numbers that are text, where the experiment says how they are written
    date_format: str = ""  # of dates that are text, where it is not ISO 8601
    seconds: bool = False  # whether its numbers are durations, or times of day since midnight
    centres: tuple[float, ...] = ()  # of a series: what is taken off each channel, far from zero, before float32

    @property
    def written(self) -> Format:
        """How its numbers or dates are written where they are text."""
        return Format(self.decimal, self.date_format)

    @cached_property
    def missing(self) -> Words:
        """The words that mean missing in it."""
        return Rules(self.missing_values, self.also_missing).words(self.kind)

    @cached_property
    def known_levels(self) -> Levels:
        """The levels of a category as texts are compared with them."""
        return Levels(self.levels, self.missing)


@dataclass(frozen=True)
class LabelProfile:
    """What is known of the label."""

    name: str
    task: Task
    classes: tuple[str, ...] = ()  # class of code 0, 1, …; for binary the positive class is the last
    class_counts: tuple[int, ...] = ()
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None
    missing_values: tuple[str, ...] | None = None  # words that mean missing, where the experiment lists them
    also_missing: tuple[str, ...] = ()  # more words that mean missing
    decimal: str = ""  # of numbers that are text, where the experiment says how they are written
    seconds: bool = False  # whether its numbers are durations, or times of day since midnight

    @property
    def as_column(self) -> ColumnProfile:
        """The label of a regression as the column of numbers that it is."""
        return ColumnProfile(
            self.name,
            ColumnKind.NUMERIC,
            missing_values=self.missing_values,
            also_missing=self.also_missing,
            decimal=self.decimal,
            seconds=self.seconds,
        )

    @property
    def rules(self) -> Rules:
        """How it is read: pass it to `cells.class_codes` with the classes."""
        return Rules(self.missing_values, self.also_missing)


@dataclass(frozen=True)
class Profile:
    """What one pass learned of the training rows: the schema, the statistics, a sample of every column."""

    columns: tuple[ColumnProfile, ...]
    label: LabelProfile
    num_rows: int

    @cached_property
    def used(self) -> tuple[ColumnProfile, ...]:
        """The columns that models see, in file order."""
        return tuple(column for column in self.columns if not column.dropped)

    def column(self, name: str) -> ColumnProfile:
        """Return the profile of one column."""
        return next(column for column in self.columns if column.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Profile:
        """Read what `to_json` wrote."""
        columns = tuple(
            ColumnProfile(
                **{
                    **column,
                    "kind": ColumnKind(column["kind"]),
                    **{key: tuple(column[key]) for key in SEQUENCES if column.get(key) is not None},
                }
            )
            for column in data["columns"]
        )
        label = data["label"]
        return cls(
            columns,
            LabelProfile(
                **{
                    **label,
                    "task": Task(label["task"]),
                    "classes": tuple(label["classes"]),
                    "class_counts": tuple(label["class_counts"]),
                    "missing_values": None if label.get("missing_values") is None else tuple(label["missing_values"]),
                    "also_missing": tuple(label.get("also_missing", ())),
                }
            ),
            data["num_rows"],
        )
