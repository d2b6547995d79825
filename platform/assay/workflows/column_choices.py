"""What `assay init` decides about columns of text that hold numbers or dates as people write them, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.cells import BY_DEFAULT, MissingValues
from assay.kinds._advice import advice
from assay.kinds._label import MAX_NUMBERED_CLASSES, infer_task, looks_like_counts, without_missing
from assay.profile import ColumnSummary
from assay.vocabulary import ColumnKind, Task


@dataclass(frozen=True)
class KeyChoice:
    """A key of the experiment file as a path, its value, and the reason with its count."""

    path: tuple[str, ...]
    value: Any
    reason: str


def column_choices(
    summaries: Mapping[str, ColumnSummary],
    label: str,
    task: Task | None = None,
    missing: MissingValues = BY_DEFAULT,
) -> Iterator[KeyChoice]:
    """Yield what to write so that columns are read as what nearly all their values are; the label first.

    Columns that the experiment declares already are told by `missing.columns`.
    """
    yield from _label_choices(label, summaries[label], task, missing)
    for name, summary in summaries.items():
        advised = advice(summary, missing.rules(name)) if name != label and name not in missing.columns else None
        if advised is not None and advised.keys:
            yield KeyChoice(("columns", name), dict(advised.keys), advised.found)


def _label_choices(
    label: str, summary: ColumnSummary, task: Task | None, missing: MissingValues
) -> Iterator[KeyChoice]:
    if task not in (None, Task.REGRESSION) or label in missing.columns:
        return
    advised = advice(summary, missing.rules(label))
    if advised is not None and advised.keys.get("kind") == ColumnKind.NUMERIC:
        yield KeyChoice(("task",), Task.REGRESSION.value, advised.found)
        yield KeyChoice(("columns", label), dict(advised.keys), advised.found)
        return
    seen = without_missing(summary, task, missing.rules(label))
    few = seen.num_distinct <= MAX_NUMBERED_CLASSES and "seconds" not in seen.stored
    if task is None and few and looks_like_counts(seen) and infer_task(seen) is Task.REGRESSION:
        largest = max(seen.counts, key=float)
        found = f"{len(seen.counts)} different whole numbers, the largest, {largest}, in {seen.counts[largest]} rows"
        found += ": counts or scores rather than classes; write `task: multiclass` if they are names"
        yield KeyChoice(("task",), Task.REGRESSION.value, found)


def words_as_classes(summary: ColumnSummary, classes: tuple[str, ...]) -> str:
    """Return a word about classes that are spelled like missing values; empty where there are none."""
    told = [f"{word!r} ({count:,} rows)" for word, (count, _) in summary.missing_words.items() if word in classes]
    return f"{', '.join(told)} {'is a class' if len(told) == 1 else 'are classes'}, not missing" if told else ""
