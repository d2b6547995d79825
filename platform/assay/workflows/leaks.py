"""Columns that seem to copy the label: one of them alone tells it, which real columns hardly ever do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.profile import Profile
from assay.vocabulary import ColumnKind, Shelf

SAMPLE_ROWS = 20_000
PURE = 0.995  # share of the rows whose class a column must tell
MOST_OF_ONE = 0.95  # share of the commonest class beyond which telling it is no feat
ROWS_PER_LEVEL = 10  # on average; rarer levels go with one class by chance
FEWEST_ROWS = 50
ALIKE = 0.99999  # correlation with a number to predict


def copies_of_label(table: pa.Table, profile: Profile) -> list[str]:
    """Return a sentence for each column of training rows that alone tells the label."""
    every = max(1, table.num_rows // SAMPLE_ROWS)
    sample = table.take(pa.array(np.arange(0, table.num_rows, every)))
    if sample.num_rows < FEWEST_ROWS:
        return []
    batch = catalog.make(Shelf.KINDS, "tabular").to_batch(sample, profile)
    tells = _tells_class if profile.label.classes else _tells_number
    return [
        f"column '{name}' {found} '{profile.label.name}'. It may copy the label: if it is not known when you predict, "
        f"write `columns: {{{_plain(name)}: {{drop: true}}}}`"
        for name, values in _values(batch.columns, profile)
        if (found := tells(values, batch.label_N))
    ]


def _plain(name: str) -> str:
    return name if name.replace("_", "").isalnum() and not name[0].isdigit() else f'"{name}"'


def _values(columns: Mapping[str, np.ndarray], profile: Profile) -> Iterator[tuple[str, np.ndarray]]:
    kinds = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.CATEGORY)
    for column in profile.used:
        values = columns.get(column.name)
        if column.kind in kinds and values is not None and values.ndim == 1:
            yield column.name, np.asarray(values, np.float64)


def _tells_class(value_N: np.ndarray, label_N: np.ndarray) -> str:
    """Return how a column tells the class; nothing where it does not, or where one class is nearly all rows."""
    num_rows = len(label_N)
    if np.bincount(label_N).max() > MOST_OF_ONE * num_rows:
        return ""
    level_n, code_N = np.unique(np.nan_to_num(value_N, nan=np.inf), return_inverse=True)
    if len(level_n) * ROWS_PER_LEVEL > num_rows:
        return _tells_by_threshold(value_N, label_N)
    count_LK = np.zeros((len(level_n), label_N.max() + 1), np.int64)
    np.add.at(count_LK, (code_N.reshape(-1), label_N), 1)
    share = count_LK.max(axis=1).sum() / num_rows
    told = f"has {len(level_n)} different values, and in {share:.1%} of the rows each goes with one class of"
    return told if share >= PURE else ""


def _tells_by_threshold(value_N: np.ndarray, label_N: np.ndarray) -> str:
    """Return whether numbers in order fall into one stretch for each class."""
    order_N = np.argsort(value_N, kind="stable")
    sorted_N = label_N[order_N]
    border_n = np.flatnonzero(np.diff(sorted_N)) + 1
    if len(border_n) + 1 == len(np.unique(label_N)) and not np.isnan(value_N).any():
        return "has ranges of numbers, each of which goes with one class of"
    if label_N.max() != 1:
        return ""
    before_N = np.cumsum(sorted_N)  # rows of class 1 at or below each place
    below_N = np.arange(1, len(sorted_N) + 1)
    right_N = (below_N - before_N) + (before_N[-1] - before_N)
    share = max(right_N.max(), (len(sorted_N) - right_N).max()) / len(sorted_N)
    return f"has one threshold that tells in {share:.1%} of the rows the class of" if share >= PURE else ""


def _tells_number(value_N: np.ndarray, label_N: np.ndarray) -> str:
    there_N = ~np.isnan(value_N)
    if there_N.sum() < max(FEWEST_ROWS, 0.5 * len(value_N)):
        return ""
    value_n, label_n = value_N[there_N], label_N[there_N]
    if len(np.unique(value_n)) * 2 < len(np.unique(label_n)) or not value_n.std() or not label_n.std():
        return ""
    if abs(np.corrcoef(value_n, label_n)[0, 1]) >= ALIKE:
        return "is, but for a factor and a shift, the same as"
    return ""
