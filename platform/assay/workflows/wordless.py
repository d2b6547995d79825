"""Rows of texts without a word: refused by their numbers, or left out, as the experiment file says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.errors import DataFault
from assay.spec import Experiment
from assay.vocabulary import Shelf
from assay.workflows.choices import kind_of

NAMED = 5  # rows that are named, at most


def with_words(table: pa.Table, experiment: Experiment, place: str) -> tuple[pa.Table, int]:
    """Return the rows with a word in one of their texts, and the number of the others; other kinds keep all rows.

    Raises:
        DataFault: rows have none, and the file does not say to skip them.
    """
    if experiment.forecast is not None or kind_of(experiment, table) != "text":
        return table, 0
    empty_N = catalog.make(Shelf.KINDS, "text").wordless(table, experiment.data.label, experiment.columns)
    row_n = np.flatnonzero(empty_N)
    if not len(row_n):
        return table, 0
    if experiment.data.broken == "error":
        more = f" (and {len(row_n) - NAMED:,} more)" if len(row_n) > NAMED else ""
        raise DataFault.at(
            place,
            f"{len(row_n):,} of {table.num_rows:,} rows hold no text: {', '.join(map(str, row_n[:NAMED]))}{more}",
            "fill them in, or write `data: {broken: skip}`",
        )
    return table.filter(pa.array(~empty_N)), len(row_n)
