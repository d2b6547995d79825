"""Labels of rows that came after training: which of them the model knows, and what the others hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from assay.errors import Fault
from assay.kinds import _arrays
from assay.kinds._columns import canonical_text, stored
from assay.profile import ColumnProfile, LabelProfile
from assay.vocabulary import ColumnKind

MAX_EXAMPLES = 3  # values that a note names


@dataclass(frozen=True)
class NewLabels:
    """A table whose unreadable labels are null, and what was found of them."""

    table: pa.Table
    num_unseen: int = 0  # rows of a class that training rows lack
    notes: tuple[str, ...] = ()


def readable_labels(table: pa.Table, label: LabelProfile) -> NewLabels:
    """Return the rows with labels that a model of this label can be compared by; all others become null.

    Classes that training rows lack are counted: they are drift of the label. Values that are no label at all, such as
    a word where numbers are predicted, are reported. A table without the column is returned as it is.

    Example:
        >>> from assay.vocabulary import Task
        >>> rows = pa.table({"y": ["yes", "maybe", None]})
        >>> found = readable_labels(rows, LabelProfile("y", Task.BINARY, ("no", "yes")))
        >>> found.table["y"].to_pylist(), found.num_unseen
        (['yes', None, None], 1)
    """
    if label.name not in table.column_names:
        return NewLabels(table)
    column = table.column(label.name).combine_chunks()
    return _classes(table, column, label) if label.classes else _numbers(table, column, label)


def _classes(table: pa.Table, column: pa.Array, label: LabelProfile) -> NewLabels:
    code_N = _arrays.to_codes(canonical_text(stored(column)), label.classes)
    unseen_N = code_N == len(label.classes)
    if not unseen_N.any():
        return NewLabels(table)
    known_N = (code_N >= 0) & ~unseen_N
    spelled = pa.array(label.classes).take(pa.array(code_N, mask=~known_N))
    note = (
        f"label '{label.name}': {int(unseen_N.sum()):,} of {len(code_N):,} rows have classes that training rows lack "
        f"({_examples(column, unseen_N)}); they count as drift of the label and are left out of the score"
    )
    return NewLabels(_replaced(table, label.name, spelled), int(unseen_N.sum()), (note,))


def _numbers(table: pa.Table, column: pa.Array, label: LabelProfile) -> NewLabels:
    profile = ColumnProfile(label.name, ColumnKind.NUMERIC)
    if not isinstance(_arrays.to_array(column, profile), Fault):
        return NewLabels(table)
    found = [_arrays.to_array(column.slice(row, 1), profile) for row in range(len(column))]
    bad_N = np.array([isinstance(one, Fault) for one in found])
    number_N = np.array([np.nan if isinstance(one, Fault) else one[0] for one in found], np.float64)
    note = (
        f"label '{label.name}': {int(bad_N.sum()):,} of {len(bad_N):,} values are not numbers "
        f"({_examples(column, bad_N)}); these rows are left out of the comparison of labels and of the score"
    )
    return NewLabels(_replaced(table, label.name, pa.array(number_N, from_pandas=True)), notes=(note,))


def _examples(column: pa.Array, wanted_N: np.ndarray) -> str:
    """Return the first different values among some rows, each with the first row that has it."""
    shown: dict[str, int] = {}
    for row in np.flatnonzero(wanted_N).tolist():
        shown.setdefault(repr(column[row].as_py()), row)
        if len(shown) == MAX_EXAMPLES:
            break
    return ", ".join(f"{value} in row {row:,}" for value, row in shown.items())


def _replaced(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
