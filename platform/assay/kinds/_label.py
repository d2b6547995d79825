"""The label: told apart as classes or numbers, checked that it can be learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from assay.cells import AS_USUAL, Levels, Rules, are_number_like, canonical_levels
from assay.errors import DataFault, Fault, did_you_mean
from assay.kinds._advice import Advice, advice
from assay.kinds._readings import PLAIN
from assay.profile import ColumnSummary, LabelProfile, Reading
from assay.vocabulary import ColumnKind, Task

MAX_NUMBERED_CLASSES = 20  # a whole-number label with more distinct values is a quantity
FEWEST_COUNTS = 6  # different whole numbers, of which the largest is rare, that are a count
RARE_ROWS = 5
MAX_CLASSES = 1_000
OTHER_FIX = "choose another label, or turn it into text or numbers"
FALSE_FIRST = ({"0", "1"}, {"false", "true"}, {"no", "yes"}, {"-1", "1"})


def summary_of(label: str, summaries: Mapping[str, ColumnSummary]) -> ColumnSummary:
    """Return the summary of the label's column.

    Raises:
        DataFault: there is no such column.
    """
    if label not in summaries:
        raise DataFault.at(f"label '{label}'", "no column has this name", did_you_mean(label, list(summaries)))
    return summaries[label]


def unknown_columns(declared: Iterable[str], known: Iterable[str]) -> list[Fault]:
    """Return a fault for each column that the experiment file declares and the data lacks."""
    names = list(known)
    said = "is named in `columns` but is not in the data"
    return [Fault(f"column '{name}'", said, did_you_mean(name, names)) for name in declared if name not in names]


def infer_task(summary: ColumnSummary) -> Task:
    """Tell the task from the label: text and true/false are classes, few whole numbers too, the rest is a quantity.

    Several whole numbers of which the largest is rare are counts or scores (`looks_like_counts`): a quantity too.
    """
    numbers = summary.num_numbers == summary.num_present and "boolean" not in summary.stored
    few = summary.num_whole == summary.num_present and summary.num_distinct <= MAX_NUMBERED_CLASSES
    if numbers and (not few or looks_like_counts(summary) or "seconds" in summary.stored):
        return Task.REGRESSION
    return Task.BINARY if summary.num_distinct <= 2 else Task.MULTICLASS


def looks_like_counts(summary: ColumnSummary) -> bool:
    """Whether a label of whole numbers has several of them, and too few rows of the largest for a class in each fold.

    Example:
        >>> from collections import Counter
        >>> visits = Counter({"0": 20, "1": 15, "2": 10, "3": 8, "4": 6, "9": 1})
        >>> looks_like_counts(ColumnSummary(60, num_whole=60, counts=visits))
        True
    """
    if summary.num_whole != summary.num_present or len(summary.counts) < FEWEST_COUNTS:
        return False
    largest = max(summary.counts, key=lambda level: _natural(level)[1])
    return summary.counts[largest] < RARE_ROWS


def label_profile(
    name: str, summary: ColumnSummary, task: Task | None, positive: str | None, rules: Rules = AS_USUAL
) -> tuple[LabelProfile, list[Fault]]:
    """Return what is known of the label, and every reason why it cannot be learned."""
    place = f"label '{name}'"
    advised = advice(summary, rules)
    summary = without_missing(summary, task, rules)
    if "other" in summary.stored:
        known = LabelProfile(name, task or Task.BINARY)
        return known, [Fault(place, f"holds {summary.other_type}, expected classes or numbers", OTHER_FIX)]
    if not summary.num_present:
        return LabelProfile(name, task or Task.BINARY), [Fault(place, "every row is missing", "choose another label")]
    task = task or infer_task(summary)
    make = _numeric_label if task is Task.REGRESSION else partial(_class_label, positive=positive)
    known, faults = make(name, place, summary, task, advised)
    known = replace(known, missing_values=rules.missing_values, also_missing=rules.also_missing)
    return replace(known, decimal=rules.format.decimal), faults


def without_missing(summary: ColumnSummary, task: Task | None, rules: Rules) -> ColumnSummary:
    """Return the summary with the words as missing that mean it in this label, as `cells.missing_labels` tells them."""
    numbers = summary.seen_as(ColumnKind.NUMERIC, rules)
    few = task is not Task.REGRESSION and numbers.num_numbers < numbers.num_present
    return summary if few and not are_number_like(numbers.counts) else numbers


def _numeric_label(
    name: str, place: str, summary: ColumnSummary, task: Task, advised: Advice | None
) -> tuple[LabelProfile, list[Fault]]:
    faults = []
    if summary.num_numbers < summary.num_present:
        count = summary.num_present - summary.num_numbers
        odd = summary.readings[PLAIN] if PLAIN in summary.readings else Reading(0, *summary.first_text)
        faults.append(
            Fault(
                place,
                f"{count:,} of {summary.num_rows:,} values are not numbers (first: {odd.odd!r} in row {odd.odd_row}), "
                "the task is regression",
                advised.fix(name) if advised is not None else "clean the column, or write `task: multiclass`",
            )
        )
    if summary.num_infinite:
        faults.append(
            Fault(
                place,
                f"{summary.num_infinite:,} of {summary.num_rows:,} values are infinite "
                f"(first: row {summary.first_infinite_row})",
                "drop these rows",
            )
        )
    moments = summary.moments
    if not faults and moments.low == moments.high:
        faults.append(Fault(place, f"every row has the value {moments.low:g}", "choose another label"))
    return LabelProfile(
        name,
        task,
        mean=moments.mean,
        std=moments.std,
        low=moments.low,
        high=moments.high,
        seconds="seconds" in summary.stored,
    ), faults


def _class_label(
    name: str, place: str, summary: ColumnSummary, task: Task, advised: Advice | None, positive: str | None
) -> tuple[LabelProfile, list[Fault]]:
    counts = dict(sorted(canonical_levels(summary.counts).items(), key=lambda pair: _natural(pair[0])))
    positive, are_numbers = _as_class(positive, counts), Levels(tuple(counts)).are_numbers
    faults = []
    if len(counts) < 2:
        faults.append(Fault(place, f"has one class, '{next(iter(counts))}'", "choose another label or add rows"))
    if summary.num_datetimes == summary.num_present and len(counts) > 2 and min(counts.values()) < 2:
        fix = "choose a class or a number, such as days since a date; for values to come see `forecast`"
        return LabelProfile(name, task), [Fault(place, "holds dates, expected classes or numbers", fix)]
    if advised is not None and "kind" in advised.keys and min(counts.values()) < 2:
        fix = advised.fix(name).removeprefix("write ")
        return LabelProfile(name, task), [Fault(place, advised.found, f"write `task: regression` and {fix}")]
    if len(counts) > MAX_CLASSES or summary.too_many_levels:
        faults.append(
            Fault(place, f"has more than {MAX_CLASSES:,} classes", "write `task: regression` if it is a number")
        )
    if task is Task.BINARY and len(counts) > 2:
        faults.append(Fault(place, f"has {len(counts)} classes, the task is binary", "write `task: multiclass`"))
    if positive is not None and positive not in counts:
        faults.append(
            Fault("data.positive", f"'{positive}' is not a class of {place}", f"use one of {list(counts)[:5]}")
        )
    rare = [level for level, count in counts.items() if count < 2]
    if rare and len(counts) >= 2:
        faults.append(
            Fault(
                place,
                f"class '{rare[0]}' has one row" + (f" ({len(rare)} such classes)" * (len(rare) > 1)),
                "add rows of it, or drop it: a class needs a row to learn from and one to judge"
                + ("; or write `task: regression` if it is a number" if are_numbers else ""),
            )
        )
    classes = _ordered(counts, positive) if len(counts) == 2 and not faults else list(counts)
    return LabelProfile(name, task, tuple(classes), tuple(counts[level] for level in classes)), faults


def _as_class(positive: str | None, counts: Mapping[str, int]) -> str | None:
    """Return the class that `data.positive` names, compared by value."""
    code = len(counts) if positive is None else Levels(tuple(counts)).code(positive.strip())
    return list(counts)[code] if 0 <= code < len(counts) else positive


def _ordered(counts: dict[str, int], positive: str | None) -> list[str]:
    """Return two classes, the positive one last: as told, by meaning (0/1, no/yes), or the rarer."""
    first, second = counts
    if positive is None and {first.lower(), second.lower()} in FALSE_FIRST:
        return [first, second]  # natural order puts 0, false, no and -1 first
    if positive is None:
        positive = first if counts[first] < counts[second] else second
    return [second, first] if positive == first else [first, second]


def _natural(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text
