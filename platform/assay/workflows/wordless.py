"""Rows of texts without a word, and of broken series: refused by their numbers, or left out, as the file says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.cells import MissingValues
from assay.errors import DataFault
from assay.spec import Experiment
from assay.vocabulary import Shelf
from assay.workflows.choices import kind_of

NAMED = 5  # rows that are named, at most
FLAW = {"text": "hold no text", "series": "hold no series of two steps or more, or an infinite number"}


def with_words(table: pa.Table, experiment: Experiment, place: str) -> tuple[pa.Table, int]:
    """Return the rows whose texts or series say something, and the number of the others; other kinds keep all rows.

    Raises:
        DataFault: rows have none, and the file does not say to skip them.
    """
    key = "" if experiment.forecast is not None else kind_of(experiment, table)
    if key not in FLAW:
        return table, 0
    missing = MissingValues.told_by(experiment)
    empty_N = catalog.make(Shelf.KINDS, key).wordless(table, experiment.data.label, experiment.columns, missing)
    row_n = np.flatnonzero(empty_N)
    if not len(row_n):
        return table, 0
    if experiment.data.broken == "error":
        more = f" (and {len(row_n) - NAMED:,} more)" if len(row_n) > NAMED else ""
        raise DataFault.at(
            place,
            f"{len(row_n):,} of {table.num_rows:,} rows {FLAW[key]}: {', '.join(map(str, row_n[:NAMED]))}{more}",
            "fill them in, or write `data: {broken: skip}`",
        )
    return table.filter(pa.array(~empty_N)), len(row_n)
