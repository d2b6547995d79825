"""Whether most rows of a file have levels that training never saw: a sign that the file spells them otherwise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.cells import canonical_text, stored
from assay.model import Model
from assay.profile import ColumnProfile
from assay.vocabulary import ColumnKind

HEAD_ROWS = 5_000  # rows that tell it before a file is read whole
MOST = 0.5  # share of the rows that have a value
FEWEST = 10  # rows that tell anything


def unseen_levels(model: Model, table: pa.Table) -> list[str]:
    """Return a warning for each category whose levels training never saw in most rows of a table."""
    columns = [column for column in model.profile.used if column.kind is ColumnKind.CATEGORY]
    found = [_warning(column, table.column(column.name)) for column in columns if column.name in table.column_names]
    return [warning for warning in found if warning]


def _warning(column: ColumnProfile, values: pa.ChunkedArray) -> str:
    value = stored(values)
    if value.type == "other" or not column.levels:
        return ""
    text = canonical_text(value)
    code_N = column.known_levels.codes(text)
    unseen_N, num_present = code_N == len(column.levels), int((code_N >= 0).sum())
    known_share = sum(column.level_counts) / max(1, column.num_rows - column.num_missing)
    if num_present < FEWEST or unseen_N.sum() <= MOST * num_present or known_share < MOST:
        return ""
    row = int(np.flatnonzero(unseen_N)[0])
    shown = ", ".join(repr(level) for level in column.levels[:5])
    return (
        f"column '{column.name}': {int(unseen_N.sum()):,} of {num_present:,} values are levels that training never saw "
        f"(first: {text[row].as_py()!r} in row {row}); training saw {shown}{', …' if len(column.levels) > 5 else ''}"
    )
