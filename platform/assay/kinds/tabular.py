"""Rows of named columns: numbers, true/false, categories, dates and text, in any mixture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.batch import Batch, Column
from assay.cells import AS_USUAL, BY_DEFAULT, MissingValues, Rules, canonical_levels, class_codes
from assay.errors import DataFault, Fault, raise_all
from assay.kinds import _arrays, _columns
from assay.kinds._advice import Advice, advice
from assay.kinds._faults import column_faults
from assay.kinds._label import label_profile, summary_of, unknown_columns
from assay.kinds._readings import PLAIN
from assay.parts import Json, Kind
from assay.profile import ColumnProfile, ColumnSummary, Profile
from assay.vocabulary import ColumnKind, Task

MIN_ROWS_FOR_ID = 50  # in fewer rows, all values distinct is no sign of an identifier
TEXT_LEVELS = 40  # so many levels with names of two words or more are read as text too
WORD = r"[^\W\d_]{2,}"
MANY = 0.5  # share of numbers among words that is told
TEXT_WORDS = 3.0  # mean words from which distinct strings are sentences, not levels


class Tabular(Kind):
    """Tables; infers what each column holds and drops those that cannot help, with a word about it.

    Example:
        >>> rows = pa.table({"age": [20, None, 40, 31], "plan": [*"abab"], "left": ["no", "yes", "no", "yes"]})
        >>> kind = Tabular()
        >>> profile = kind.profile(kind.summarise(rows, np.arange(4), seed=0), "left", None, {}, None)
        >>> kind.to_batch(pa.table({"plan": ["b", "z", None], "age": [1, 2, 3]}), profile).columns["plan"].tolist()
        [1, 2, -1]
    """

    def summarise(
        self, table: pa.Table, row_N: np.ndarray, seed: int, missing: MissingValues = BY_DEFAULT
    ) -> dict[str, ColumnSummary]:
        names = table.column_names
        return {name: _columns.summarise(table.column(name), row_N, seed, missing.rules(name)) for name in names}

    def profile(
        self,
        summaries: Mapping[str, ColumnSummary],
        label: str,
        task: Task | None,
        declared: Mapping[str, Any],
        positive: str | None,
        missing: MissingValues = BY_DEFAULT,
    ) -> Profile:
        label_known, faults = label_profile(label, summary_of(label, summaries), task, positive, missing.rules(label))
        faults += unknown_columns(declared, summaries)
        raise_all(DataFault, [_of_other_rows(name, told) for name, told in declared.items() if _is_of_other_rows(told)])
        columns = self.columns(summaries, label, declared, missing)
        faults += [fault for column in columns for fault in column_faults(column, summaries[column.name])]
        if not any(not column.dropped for column in columns):
            reasons = "; ".join(f"'{column.name}': {column.dropped}" for column in columns[:5]) or "there are none"
            faults.append(
                Fault(
                    "columns",
                    f"none is left to learn from ({reasons})",
                    "add columns, or keep one with `columns: {NAME: {kind: …}}`",
                )
            )
        raise_all(DataFault, faults)
        return Profile(tuple(columns), label_known, summaries[label].num_rows)

    def columns(
        self,
        summaries: Mapping[str, ColumnSummary],
        label: str,
        declared: Mapping[str, Any],
        missing: MissingValues = BY_DEFAULT,
    ) -> list[ColumnProfile]:
        """Return what is known of each column but the label."""
        return [
            _column_profile(name, summary, declared.get(name), missing.rules(name))
            for name, summary in summaries.items()
            if name != label
        ]

    def to_batch(self, table: pa.Table, profile: Profile, row_N: np.ndarray | None = None) -> Batch:
        row_N = np.arange(table.num_rows) if row_N is None else row_N
        columns: dict[str, np.ndarray] = {}
        faults: list[Fault] = []
        there = set(table.column_names)
        for column in profile.used:
            if column.name not in there:
                faults.append(Fault(f"column '{column.name}'", f"is missing, expected {column.kind.value} values"))
                continue
            found = _arrays.to_array(table.column(column.name), column, row_N)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                columns[column.name] = found
        y_N = _label_array(table, profile, row_N, faults)
        raise_all(DataFault, faults)
        meaning = {column.name: Column(column.kind, len(column.levels)) for column in profile.used}
        for name, view in _views(profile).items():
            columns[name], meaning[name] = _arrays.to_text(table.column(view.view_of)), view
        return Batch(columns, meaning, row_N, y_N, num_classes=len(profile.label.classes))

    def as_request(self, table: pa.Table, profile: Profile) -> list[Json]:
        columns: dict[str, list[Any]] = {}
        faults: list[Fault] = []
        for column in profile.used:
            found = _arrays.to_plain(table.column(column.name), column)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                columns[column.name] = found
        raise_all(DataFault, faults)
        return [{name: values[row] for name, values in columns.items()} for row in range(table.num_rows)]

    def default_steps(self, wants: str) -> tuple[str, ...]:
        if wants == "codes":
            return ("datetime_parts", "tfidf_text", "target_mean", "ordinal")
        # From `target_mean` on, steps are learned inside each fit; without a category of many levels it is left out,
        # and all is learned once. Cycles took 11 % off a ridge regression's error on hours and weekdays; trees cut
        # the plain parts as well. Grouping rare levels before trees or the means only lost.
        numbers = ("datetime_cycles", "datetime_parts", "impute", "unskew", "scale")
        return (*numbers, "tfidf_text", "target_mean", "one_hot")


def _views(profile: Profile) -> dict[str, Column]:
    """Return the columns that show a category's names as text; steps that do not ask for views never see them."""
    views = {f"{column.name} as text": column.name for column in profile.used if column.as_text}
    known = {column.name for column in profile.used} if views else set()
    return {name: Column(ColumnKind.TEXT, view_of=of) for name, of in views.items() if name not in known}


def _label_array(table: pa.Table, profile: Profile, row_N: np.ndarray, faults: list[Fault]) -> np.ndarray | None:
    label = profile.label
    if label.name not in table.column_names:
        return None
    column = table.column(label.name)
    if label.task is Task.REGRESSION:
        found = _arrays.to_array(column, label.as_column, row_N)
        if isinstance(found, Fault):
            faults.append(replace(found, place=f"label '{label.name}'"))
            return None
        return found
    code_N = class_codes(column, label.classes, label.rules).astype(np.int64)
    unseen_N = code_N == len(label.classes)
    if unseen_N.any():
        first = int(np.flatnonzero(unseen_N)[0])
        faults.append(
            Fault(
                f"label '{label.name}'",
                f"{int(unseen_N.sum()):,} of {len(code_N):,} rows have a class "
                f"that training rows lack (first: {column[first].as_py()!r} in row {row_N[first]})",
                "drop these rows, or train on rows of every class",
            )
        )
        return None
    return code_N


def _is_of_other_rows(told: Any) -> bool:
    return told.kind in (ColumnKind.IMAGE, ColumnKind.SERIES) and not told.drop


def _of_other_rows(name: str, told: Any) -> Fault:
    kind = told.kind.value
    holds = "bytes of images or paths that lead to some" if told.kind is ColumnKind.IMAGE else "lists of numbers"
    fix = f"give it {holds}, or remove the line"
    return Fault(f"column '{name}'", f"is declared as {kind}, and these rows are a table without any {kind}", fix)


def _column_profile(name: str, raw: ColumnSummary, declared: Any, rules: Rules) -> ColumnProfile:
    kind = declared.kind if declared is not None and declared.kind is not None else None
    told = kind is not None
    kind = kind or _infer(raw, rules)
    summary = raw.seen_as(kind, rules)
    advised = None if told else advice(raw, rules)
    dropped = "left out by the experiment file" if declared is not None and declared.drop else ""
    if not dropped:
        dropped = _hopeless(summary, told) or ("" if told else _half_numbers(summary) or _id_like(summary, kind))
        dropped = advised.text(name) if dropped and advised is not None and "other" not in raw.stored else dropped
    levels = _ordered_levels(summary) if kind is ColumnKind.CATEGORY else []
    numeric = kind in (ColumnKind.NUMERIC, ColumnKind.DATETIME) and summary.moments.count > 0
    moments = summary.moments
    column = ColumnProfile(
        name,
        kind,
        dropped,
        summary.num_rows,
        summary.num_missing,
        whole=summary.num_whole == summary.num_present and kind is ColumnKind.NUMERIC,
        mean=moments.mean if numeric else None,
        std=moments.std if numeric else None,
        low=moments.low if numeric else None,
        high=moments.high if numeric else None,
        levels=tuple(level for level, _ in levels),
        level_counts=tuple(count for _, count in levels),
        as_text=_says_something(levels),
        note=_note(name, raw, kind, rules, advised),
        missing_values=rules.missing_values,
        also_missing=rules.also_missing,
        decimal=rules.format.decimal,
        date_format=rules.format.date_format,
        seconds="seconds" in summary.stored and kind is ColumnKind.NUMERIC,
    )
    if dropped:
        return column
    return replace(column, sample=_arrays.canonical_sample([value for _, value in summary.sample], column))


def _note(name: str, raw: ColumnSummary, kind: ColumnKind, rules: Rules, advised: Advice | None) -> str:
    """Return what the owner of a column should know: levels that are read as missing, numbers that are not read."""
    notes = [] if advised is None else [advised.text(name)]
    if kind is ColumnKind.TEXT and raw.missing_words:
        words_found = ", ".join(f"{word!r} in {count:,} rows" for word, (count, _) in raw.missing_words.items())
        notes.append(f"read as text, not as missing: {words_found}")
    if kind is ColumnKind.CATEGORY:
        words = rules.words(kind)
        missing = [f"{word!r} in {count:,} rows" for word, (count, _) in raw.missing_words.items() if words.has(word)]
        notes += [f"read as missing: {', '.join(missing)}"] if missing else []
    return "; ".join(notes)


def _infer(raw: ColumnSummary, rules: Rules = AS_USUAL) -> ColumnKind:
    summary = raw.seen_as(ColumnKind.NUMERIC, rules)
    present = summary.num_present
    if present == 0:
        return ColumnKind.NUMERIC
    if "boolean" in summary.stored or ("string" in summary.stored and summary.num_booleans == present):
        return ColumnKind.BOOLEAN
    if summary.num_datetimes == present:
        return ColumnKind.DATETIME
    if summary.num_numbers == present:
        return ColumnKind.NUMERIC
    mean_words = raw.num_words / raw.num_present
    if mean_words >= TEXT_WORDS and raw.num_distinct > 0.5 * raw.num_present:
        return ColumnKind.TEXT
    return ColumnKind.CATEGORY


def _hopeless(summary: ColumnSummary, told: bool) -> str:
    if not summary.num_present:
        return "every value is missing"
    if "other" in summary.stored:  # where the experiment declares what it holds, that is a fault
        return "" if told else f"holds {summary.other_type}, expected numbers, text, dates or true/false"
    if summary.num_distinct <= 1 and not summary.num_missing:
        return "every value is the same"
    return ""


def _half_numbers(summary: ColumnSummary) -> str:
    """Return why a column is left out whose values are all different, and numbers beside words."""
    id_like = _id_like(summary, ColumnKind.CATEGORY)
    reading = summary.readings.get(PLAIN)
    if not id_like or reading is None or not MANY <= reading.count / summary.num_present < 1:
        return ""
    return (
        f"{reading.count:,} of {summary.num_present:,} values are numbers, the others are words "
        f"(first: {reading.odd!r} in row {reading.odd_row}), and nearly every value is different"
    )


def _id_like(summary: ColumnSummary, kind: ColumnKind) -> str:
    if summary.num_present < MIN_ROWS_FOR_ID:
        return ""
    distinct_share = summary.num_distinct / summary.num_present
    if kind is ColumnKind.CATEGORY and distinct_share > 0.95:
        return "nearly every value is different, like an identifier"
    counts_up = summary.num_whole == summary.num_present and summary.increasing and distinct_share > 0.95
    if kind is ColumnKind.NUMERIC and counts_up and "seconds" not in summary.stored:
        return "whole numbers that grow with the row, like an identifier"
    return ""


def _says_something(levels: list[tuple[str, int]]) -> bool:
    """Whether the levels of a category are many names of two words or more, which may share words with one another."""
    worded = sum(len(re.findall(WORD, level)) >= 2 for level, _ in levels)
    return len(levels) >= TEXT_LEVELS and worded > 0.5 * len(levels)


def _ordered_levels(summary: ColumnSummary) -> list[tuple[str, int]]:
    return sorted(canonical_levels(summary.counts).items(), key=lambda pair: (-pair[1], pair[0]))
