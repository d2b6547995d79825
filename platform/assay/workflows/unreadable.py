"""New rows that a model cannot read: left out of a comparison or a retraining, and told of with their rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.answering import bad_rows_of
from assay.bad_rows import good_places
from assay.errors import DataFault
from assay.model import Model

NAMED = 5  # rows that are named


def readable_places(model: Model, table: pa.Table) -> tuple[np.ndarray, list[str]]:
    """Return the places of the rows that a model reads, and a line about the others; the label does not count.

    Raises:
        DataFault: a column is missing, or no row can be read.
    """
    label = model.profile.label.name
    table = table.drop_columns([label]) if label in table.column_names else table
    try:
        model.batch(table)
    except DataFault:
        bad = bad_rows_of(model, table)
        named = "; ".join(str(one) for one in bad[:NAMED]) + ("; …" if len(bad) > NAMED else "")
        places = good_places(table.num_rows, bad)
        return places, [f"{len(bad):,} of {table.num_rows:,} rows cannot be read and are left out: {named}"]
    return np.arange(table.num_rows), []
