"""Old rows and new ones: which teach a challenger, and which, the newest, judge it and the champion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import canonical_levels, canonical_text, class_codes, stored
from assay.errors import DataFault, Fault, did_you_mean, raise_all
from assay.forecasting.clock import time_ranks
from assay.spec import DataSpec
from assay.spec.retraining import RetrainSpec
from assay.workflows.retraining.copies import without_copies
from assay.workflows.windows import Window, newest_last


@dataclass(frozen=True)
class Gathered:
    """The rows of a retraining, and what its owner should know of them."""

    train: pa.Table
    held: pa.Table  # rows that judge both models, oldest first
    num_new: int  # labelled rows that were given and are no copies
    notes: tuple[str, ...] = ()


def gather(
    old: pa.Table,
    new: pa.Table,
    data: DataSpec,
    rule: RetrainSpec,
    needed: Sequence[str],
    window: Window | None = None,
    time: str | None = None,
    num_fresh: int | None = None,
) -> Gathered:
    """Return the rows that teach and those that judge.

    `needed` are the columns that the champion reads. `time` orders the new rows, which all have a label, where
    `data.time` names no column. Only the newest `num_fresh` may judge; with `data.group` they are of groups that nobody
    else has. Copies of old rows are left out and told.

    Raises:
        DataFault: the new rows lack columns, or hold other types.
    """
    time = data.time or time
    notes: list[str] = []
    order_N = newest_last(new, time)
    new = new.take(pa.array(order_N))
    if time != data.time and time in new.column_names and time not in old.column_names:
        new = new.drop_columns([time])  # of the log, and no part of a row
    new = _with_columns(new, old, data, needed, notes)
    old, new = alike(old, new)
    new = without_copies(old, new, notes)
    held_N = _newest(old, new, data, rule, new.num_rows if num_fresh is None else min(num_fresh, new.num_rows))
    train = pa.concat_tables([old, new.filter(pa.array(~held_N))]).combine_chunks()
    if window is not None:
        train = window.of(train, data.time)
        notes.append(f"{train.num_rows:,} rows within the window teach")
    return Gathered(train, new.filter(pa.array(held_N)).combine_chunks(), new.num_rows, tuple(notes))


def labelled_only(table: pa.Table, label: str) -> tuple[pa.Table, list[str]]:
    """Return the rows that have a label: those of new rows come later, and some never.

    Raises:
        DataFault: there is no such column.
    """
    if label not in table.column_names:
        raise DataFault.at(
            f"label '{label}'",
            "no column of the new rows has this name",
            f"{did_you_mean(label, table.column_names)} Labels of served rows come by feedback (docs/watching.md)",
        )
    column = table.column(label).combine_chunks()
    gone = column.is_null(nan_is_null=True)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        gone = pc.or_(gone, pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), False))
    count = pc.sum(gone).as_py() or 0
    return table.filter(pc.invert(gone)), [f"{count:,} new rows without a label are left out"] if count else []


def _with_columns(new: pa.Table, old: pa.Table, data: DataSpec, needed: Sequence[str], notes: list[str]) -> pa.Table:
    """Return the new rows with the old rows' columns: those that nobody reads may be missing, more are left out."""
    roles = [name for name in (data.label, data.group, data.time) if name is not None]
    missing = [name for name in dict.fromkeys([*needed, *roles]) if name not in new.column_names]
    raise_all(
        DataFault,
        [
            Fault(f"column '{name}'", "is missing from the new rows, the champion reads it",
                  f"{did_you_mean(name, new.column_names)} Else train a model without it: `assay run FILE`")
            for name in missing
        ],
    )  # fmt: skip
    more = [name for name in new.column_names if name not in old.column_names]
    if more:
        shown = ", ".join(more[:8]) + (", …" if len(more) > 8 else "")
        notes.append(f"columns that the old rows lack are left out: {shown}; `assay run FILE` would use them")
    columns = [
        new.column(field.name) if field.name in new.column_names else pa.nulls(new.num_rows, field.type)
        for field in old.schema
    ]
    return pa.table(columns, names=old.column_names)


def alike(old: pa.Table, new: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return both tables with the same types: a column that is text on one side becomes text on both.

    Raises:
        DataFault: naming each column whose types cannot be brought together.
    """
    columns: dict[str, tuple[pa.ChunkedArray, pa.ChunkedArray]] = {}
    faults = []
    for name in old.column_names:
        pair = _plain(old.column(name)), _plain(new.column(name))
        try:
            columns[name] = _same_type(*pair)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            found = f"holds {pair[1].type}, the old rows {pair[0].type}"
            faults.append(Fault(f"column '{name}'", found, "give it in the form of the old rows"))
    raise_all(DataFault, faults)
    sides = ({name: pair[side] for name, pair in columns.items()} for side in (0, 1))
    old, new = (pa.table(side) for side in sides)
    return old, new


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _same_type(one: pa.ChunkedArray, other: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    if one.type == other.type:
        return one, other
    kinds = (one.type, other.type)
    some_text = any(pa.types.is_string(kind) or pa.types.is_large_string(kind) for kind in kinds)
    if some_text and not any(pa.types.is_null(kind) for kind in kinds):
        return one.cast(pa.string()), other.cast(pa.string())
    fields = [pa.schema([("x", kind)]) for kind in kinds]
    kind = pa.unify_schemas(fields, promote_options="permissive").field("x").type
    return one.cast(kind, safe=False), other.cast(kind, safe=False)


def of_classes(table: pa.Table, label: str, classes: Sequence[str]) -> pa.Table:
    """Return the rows whose label is one of some classes."""
    code_N = class_codes(table.column(label), tuple(classes))
    return table.filter(pa.array((code_N >= 0) & (code_N < len(classes))))


def classes_of(table: pa.Table, label: str) -> set[str]:
    """Return the classes that rows have."""
    counts = pc.value_counts(canonical_text(stored(table.column(label)))).to_pylist()
    return set(canonical_levels({found["values"]: found["counts"] for found in counts if found["values"] is not None}))


def _newest(old: pa.Table, new: pa.Table, data: DataSpec, rule: RetrainSpec, num_fresh: int) -> np.ndarray:
    """Return held_N, the newest of the new rows, which lie oldest first.

    They are `holdout` of the fresh ones, or `min_rows` where that is more and still leaves half. Rows of one time stay
    together unless that would make them too few or too many; rows of one group always.
    """
    num = new.num_rows
    wanted = max(math.ceil(rule.holdout * num_fresh), min(rule.min_rows, num_fresh // 2))
    if data.group is not None:
        return _newest_groups(old, new, data.group, wanted)
    first = num - wanted
    if data.time is not None and 0 < first < num:
        rank_N = time_ranks(new.column(data.time).combine_chunks(), f"column '{data.time}'")
        edges = [int(np.searchsorted(rank_N, rank_N[first], side)) for side in ("left", "right")]
        whole = [edge for edge in edges if min(rule.min_rows, wanted) <= num - edge <= min(2 * wanted, num - 1)]
        first = min(whole, key=lambda edge: abs(edge - first), default=first)
    held_N: np.ndarray = np.arange(num) >= first
    return held_N


def _newest_groups(old: pa.Table, new: pa.Table, group: str, wanted: int) -> np.ndarray:
    known = pc.unique(old.column(group).combine_chunks())
    values = new.column(group).combine_chunks()
    fresh_N = np.asarray(pc.invert(pc.fill_null(pc.is_in(values, value_set=known), True)))
    code_N = pc.fill_null(pc.dictionary_encode(values).indices, -1).to_numpy(zero_copy_only=False)
    held_N = np.zeros(len(code_N), bool)
    for place in np.flatnonzero(fresh_N)[::-1]:
        if held_N.sum() >= wanted:
            break
        if not held_N[place]:
            held_N |= code_N == code_N[place]
    return held_N
