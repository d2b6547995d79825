"""Why a column cannot be read as the type it was declared or taken for: what was found, where, and what to write."""

from __future__ import annotations

from assay.cells import Rules
from assay.errors import Fault
from assay.kinds._advice import Advice, advice
from assay.kinds._readings import ISO, PLAIN
from assay.profile import ColumnProfile, ColumnSummary, Reading
from assay.vocabulary import ColumnKind


def column_faults(column: ColumnProfile, raw: ColumnSummary) -> list[Fault]:
    """Return what prevents that a column is learned from as the type that it has."""
    place = f"column '{column.name}'"
    if column.dropped:
        return []
    if "other" in raw.stored:
        found = f"holds {raw.other_type}, expected {column.kind.value} values"
        return [Fault(place, found, f"flatten it, or write `columns: {{{column.name}: {{drop: true}}}}`")]
    if column.kind is ColumnKind.DATETIME:
        return _date_faults(column, raw)
    if column.kind is not ColumnKind.NUMERIC:
        return []
    rules = Rules(column.missing_values, column.also_missing)
    summary = raw.seen_as(ColumnKind.NUMERIC, rules)
    if summary.num_infinite:
        return [
            Fault(
                place,
                f"{summary.num_infinite:,} of {summary.num_rows:,} training rows are infinite "
                f"(first: row {summary.first_infinite_row})",
                "replace them by missing values, or drop these rows",
            )
        ]
    if summary.num_numbers == summary.num_present or summary.num_booleans == summary.num_present:
        return []
    key = column.decimal or PLAIN
    advised = None if column.decimal else advice(raw, rules)
    return [_not_read(column, summary, key, "numbers", advised)]


def _date_faults(column: ColumnProfile, raw: ColumnSummary) -> list[Fault]:
    rules = Rules(column.missing_values, column.also_missing)
    summary = raw.seen_as(ColumnKind.DATETIME, rules)
    advised = None if column.date_format else advice(raw, rules)
    if summary.num_datetimes < summary.num_present:
        return [_not_read(column, summary, column.date_format or ISO, "dates", advised)]
    if advised is None:
        return []
    return [Fault(f"column '{column.name}'", advised.found, f"correct them, or {advised.fix(column.name)}")]


def _not_read(column: ColumnProfile, summary: ColumnSummary, key: str, what: str, advised: Advice | None) -> Fault:
    reading = summary.readings.get(key, Reading(0, *summary.first_text))
    count = summary.num_present - reading.count
    first = f" (first: {reading.odd!r} in row {reading.odd_row})" if reading.odd_row >= 0 else ""
    fix = advised.fix(column.name) if advised is not None else "declare it as `category`, or correct the values"
    return Fault(f"column '{column.name}'", f"{count:,} of {summary.num_rows:,} values are not {what}{first}", fix)
