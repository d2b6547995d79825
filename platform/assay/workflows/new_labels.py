"""Labels of rows that came after training: which of them the model knows, and what the others hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import Mismatch, class_codes, stored, to_numbers
from assay.profile import LabelProfile

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
    code_N = class_codes(column, label.classes, label.rules)
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
    value, known = stored(column), label.as_column
    bad_N = np.zeros(len(column), bool)
    while True:  # each round finds one value that is no number; as many as there are different ones
        try:
            number_N = to_numbers(value, known.missing, known.written, seconds=known.seconds)
            break
        except Mismatch as mismatch:
            if value.type not in ("string", "number"):
                number_N, bad_N = np.full(len(column), np.nan), np.asarray(column.is_valid())
                break
            position = mismatch.position or 0
            same = pc.fill_null(pc.equal(value.array, value.array[position]), False)
            bad_N |= np.asarray(same)
            value = replace(value, array=pc.if_else(same, pa.scalar(None, value.array.type), value.array))
    if not bad_N.any():
        return NewLabels(table)
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
