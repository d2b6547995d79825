"""Predictions for a table in which some rows may be bad: what `Model.answer_table` gives, and the rows it could not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from assay.bad_rows import PROBLEM, BadRow, find_bad_rows, good_places
from assay.errors import DataFault
from assay.model import Model
from assay.vocabulary import OnError

ERROR = "error"  # column of the reasons, beside the predictions


@dataclass(frozen=True)
class Answers:
    """Predictions of a table, and the rows that could not be read."""

    table: pa.Table
    bad: tuple[BadRow, ...] = ()


def answers(model: Model, table: pa.Table, on_error: OnError = OnError.FAIL) -> Answers:
    """Return `row`, `prediction` and `probability_CLASS` for the rows of a table.

    Bad rows fail the whole, are left out (`skip`), or have null in place of a prediction (`null`).

    Raises:
        DataFault: bad rows, where they are to fail; a missing column, or no row that can be read, always.
    """
    try:
        return Answers(with_rows(model.answer_table(table), np.arange(table.num_rows)))
    except DataFault:
        if on_error is OnError.FAIL:
            raise
    bad = bad_rows_of(model, table)
    good = good_places(table.num_rows, bad)
    found = with_rows(model.answer_table(table.take(pa.array(good))), good)
    return Answers(found if on_error is OnError.SKIP else filled(found, table.num_rows), tuple(bad))


def bad_rows_of(model: Model, table: pa.Table) -> list[BadRow]:
    """Return the rows of a table that a model cannot read.

    Raises:
        DataFault: a column is missing, or no row can be read.
    """
    bad = find_bad_rows(table.num_rows, lambda places: model.batch(table.take(pa.array(places))))
    if PROBLEM not in table.column_names:
        return bad
    problems = table.column(PROBLEM)
    return [BadRow(one.row, problems[one.row].as_py() or one.reason) for one in bad]


def with_rows(table: pa.Table, places: np.ndarray) -> pa.Table:
    """Return predictions with the place of each row before them."""
    return table.add_column(0, "row", pa.array(places.astype(np.int64)))


def filled(found: pa.Table, num_rows: int, first: int = 0) -> pa.Table:
    """Return predictions with a row of nulls for each place from `first` on that has none."""
    place = np.full(num_rows, -1)
    place[found.column("row").to_numpy() - first] = np.arange(found.num_rows)
    taken = found.take(pa.array(place, mask=place < 0))
    return taken.set_column(0, "row", pa.array(np.arange(first, first + num_rows)))
