"""What was observed of one column: in the training rows, as the profile keeps it, and in rows that came later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from assay.cells import num_words
from assay.profile import ColumnProfile, LabelProfile, Profile
from assay.vocabulary import MISSING_CODE, ColumnKind, Task

MAX_VALUES = 100_000  # of later rows, evenly; no test needs more
UNSEEN = "(unseen)"


@dataclass(frozen=True)
class Observed:
    """Numbers or levels of one column; a column that holds neither has only its missing values."""

    num_rows: int
    num_missing: int = 0
    number_n: np.ndarray | None = None  # a uniform sample of the values that are there
    counts: Mapping[str, int] = field(default_factory=dict)  # rows of each level that training knew
    num_other: int = 0  # rows of levels that are not counted; of later rows: levels that training never saw
    num_alone: int = 0  # training rows whose level no other row has: new to all the others

    @property
    def num_present(self) -> int:
        """Rows that have a value."""
        return self.num_rows - self.num_missing


@dataclass(frozen=True)
class Pair:
    """One column then and now; `note` says what is compared where it is not the values, or why nothing is."""

    name: str
    kind: str
    before: Observed
    now: Observed
    note: str = ""


def column_pair(column: ColumnProfile, value_N: np.ndarray) -> Pair:
    """Return what training knew of a column, and what its canonical array holds now (see `batch.COLUMN_DTYPE`)."""
    make = {
        ColumnKind.NUMERIC: _numeric,
        ColumnKind.BOOLEAN: _boolean,
        ColumnKind.CATEGORY: _category,
        ColumnKind.TEXT: _text,
        ColumnKind.IMAGE: _image,
        ColumnKind.DATETIME: _datetime,
    }.get(column.kind)
    return _other(column) if make is None else make(column, value_N)


def prediction_pair(profile: Profile, before_NK: np.ndarray | None, now_NK: np.ndarray) -> Pair:
    """Return what a model predicted for the test rows of its run, and for new rows: neither did it see before.

    Numbers are compared as they are, two classes by the probability of the positive one, more by the class answered.
    """
    classes = profile.label.classes
    note = "" if before_NK is not None else "the model was made without a reference of its predictions; train it again"
    if profile.label.task is Task.MULTICLASS:
        sides = [_counted(said_NK, classes) for said_NK in (before_NK, now_NK) if said_NK is not None]
    else:
        sides = [_numbers(said_NK[:, -1]) for said_NK in (before_NK, now_NK) if said_NK is not None]
    return Pair("(prediction)", "numeric" if not classes else "probability", sides[0], sides[-1], note)


def label_pair(label: LabelProfile, before_N: np.ndarray | None, now_N: np.ndarray, num_unseen: int = 0) -> Pair:
    """Return the labels then and now: class codes, or numbers; `num_unseen` further rows have classes of their own."""
    name = f"(label) {label.name}"
    if label.classes:
        before = Observed(sum(label.class_counts), counts=dict(zip(label.classes, label.class_counts, strict=True)))
        counts = np.bincount(now_N.astype(np.int64), minlength=len(label.classes)).tolist()
        known = dict(zip(label.classes, counts, strict=True))
        return Pair(name, "category", before, Observed(len(now_N) + num_unseen, counts=known, num_other=num_unseen))
    if before_N is None:
        note = "the model was made without a reference of its labels; train it again"
        return Pair(name, "numeric", _numbers(now_N), _numbers(now_N), note)
    return Pair(name, "numeric", _numbers(before_N), _numbers(now_N))


def _numbers(value_N: np.ndarray) -> Observed:
    there_n = value_N[~np.isnan(value_N)].astype(np.float64)
    every = -(-len(there_n) // MAX_VALUES) or 1
    return Observed(len(value_N), len(value_N) - len(there_n), there_n[::every])


def _counted(said_NK: np.ndarray, classes: tuple[str, ...]) -> Observed:
    counts = np.bincount(said_NK.argmax(axis=1), minlength=len(classes)).tolist()
    return Observed(len(said_NK), counts=dict(zip(classes, counts, strict=True)))


def _sampled(column: ColumnProfile) -> list[object]:
    return [value for value in column.sample if value is not None]


def _known(column: ColumnProfile, numbers: list[float]) -> Observed:
    return Observed(column.num_rows, column.num_missing, np.array(numbers, np.float64))


def _numeric(column: ColumnProfile, value_N: np.ndarray) -> Pair:
    before = _known(column, [float(str(value)) for value in _sampled(column)])
    return Pair(column.name, "numeric", before, _numbers(value_N))


def _boolean(column: ColumnProfile, value_N: np.ndarray) -> Pair:
    sampled = _sampled(column)
    before = Observed(
        column.num_rows,
        column.num_missing,
        counts={"false": sum(not value for value in sampled), "true": sum(bool(value) for value in sampled)},
    )
    counts = {"false": int((value_N == 0).sum()), "true": int((value_N == 1).sum())}
    return Pair(column.name, "boolean", before, Observed(len(value_N), int(np.isnan(value_N).sum()), counts=counts))


def _category(column: ColumnProfile, code_N: np.ndarray) -> Pair:
    counts = dict(zip(column.levels, column.level_counts, strict=True))
    uncounted = column.num_rows - column.num_missing - sum(counts.values())  # of levels beyond those that are kept
    alone = sum(count == 1 for count in counts.values())
    before = Observed(column.num_rows, column.num_missing, counts=counts, num_other=uncounted, num_alone=alone)
    num_levels = len(column.levels)
    found = np.bincount(code_N[(code_N >= 0) & (code_N < num_levels)], minlength=num_levels).tolist()
    now = Observed(
        len(code_N),
        int((code_N == MISSING_CODE).sum()),
        counts=dict(zip(column.levels, found, strict=True)),
        num_other=int((code_N == num_levels).sum()),
    )
    return Pair(column.name, "category", before, now)


def _text(column: ColumnProfile, text_N: np.ndarray) -> Pair:
    before = _known(column, [float(num_words(str(value))) for value in _sampled(column)])
    word_N = np.array([num_words(text) if text else np.nan for text in text_N], np.float64)
    return Pair(column.name, "text", before, _numbers(word_N), "compared by the number of words")


def _image(column: ColumnProfile, pixel_N: np.ndarray) -> Pair:
    if not column.sample:
        return _other(column)
    before = _known(column, [float(str(value)) for value in _sampled(column)])
    bright_N = pixel_N.reshape(len(pixel_N), -1).mean(axis=1)
    return Pair(column.name, "image", before, _numbers(bright_N), "compared by brightness")


def _datetime(column: ColumnProfile, time_N: np.ndarray) -> Pair:
    now = Observed(len(time_N), int((time_N == np.iinfo(np.int64).min).sum()))
    before = Observed(column.num_rows, column.num_missing)
    return Pair(column.name, "datetime", before, now, "times move on by themselves; only gaps are compared")


def _other(column: ColumnProfile) -> Pair:
    note = "not compared: the profile keeps no values of it; see the predictions"
    return Pair(column.name, column.kind.value, Observed(0), Observed(0), note)
