"""Predictions for files of any size: Ray Data reads, an actor pool predicts, the driver writes in row order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.answering import ERROR, answers, filled
from assay.bad_rows import PROBLEM, BadRow
from assay.engines.loading import opened
from assay.engines.ray_faults import as_fault
from assay.engines.reading import Reading
from assay.errors import DataFault
from assay.store import artifact
from assay.vocabulary import OnError

BATCH_ROWS = 8_192


class Predictor:
    """What runs in each actor: the model, loaded once from its folder and checked."""

    def __init__(self, folder: str, on_error: OnError = OnError.FAIL) -> None:
        self.model = artifact.load(Path(folder))
        self.on_error = on_error

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return predictions for all rows; those that cannot be read have nulls, and the reason as `error`."""
        if self.on_error is OnError.FAIL:
            return self.model.answer_table(table)
        try:
            found = answers(self.model, table, OnError.NULL)
        except DataFault as fault:  # of all rows of this block; whether others are good is for the driver to see
            self.model.batch(table.slice(0, 0))
            found_table = self.model.answer_table(table.slice(0, 0))
            nulls = filled(found_table.add_column(0, "row", pa.array([], pa.int64())), table.num_rows)
            return nulls.drop_columns(["row"]).append_column(ERROR, pa.array([str(fault)] * table.num_rows))
        reasons: list[str | None] = [None] * table.num_rows
        known = table.column(PROBLEM).to_pylist() if PROBLEM in table.column_names else reasons
        for one in found.bad:
            reasons[one.row] = known[one.row] or one.reason
        return found.table.drop_columns(["row"]).append_column(ERROR, pa.array(reasons, pa.string()))


@dataclass
class Predictions:
    """Tables of `row`, `prediction` and `probability_CLASS`, in the order of the rows, a block at a time.

    Iterate over it once; `bad` then holds the rows that could not be read.
    """

    folder: Path
    paths: Sequence[str]
    reading: Reading
    num_actors: int
    columns: Sequence[str]  # that the model reads; no others travel to the actors
    on_error: OnError = OnError.FAIL
    bad: list[BadRow] = field(default_factory=list)

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield the tables.

        Raises:
            DataFault: the data cannot be read, or a column has another type than in training.
        """
        from ray.data import ActorPoolStrategy
        from ray.exceptions import RayError

        dataset, _ = opened(self.paths, self.reading)
        known = set(dataset.columns() or [])
        wanted = [name for name in (*self.columns, PROBLEM) if name in known]
        dataset = dataset.select_columns(wanted or list(known)[:1])
        pool: Any = ActorPoolStrategy(min_size=1, max_size=self.num_actors)  # a file is a block, and needs one actor
        predicted = dataset.map_batches(
            Predictor,
            fn_constructor_args=(str(self.folder), self.on_error),
            batch_format="pyarrow",
            batch_size=BATCH_ROWS,
            compute=pool,
        )
        next_row = 0
        try:
            for table in predicted.iter_batches(batch_format="pyarrow", batch_size=BATCH_ROWS, prefetch_batches=1):
                yield self._numbered(table, next_row)
                next_row += table.num_rows
        except RayError as error:
            raise as_fault(error, "predict") from None
        if self.bad and len(self.bad) == next_row:
            raise DataFault.at(f"all {next_row:,} rows", f"cannot be read (first: {self.bad[0]})", "see the first row")

    def _numbered(self, table: pa.Table, first: int) -> pa.Table:
        """Return a block with the ids of its rows; takes the bad ones out, or notes them."""
        rows = pa.array(range(first, first + table.num_rows), pa.int64())
        numbered = table.add_column(0, "row", rows)
        if ERROR not in table.column_names:
            return numbered
        reasons = table.column(ERROR)
        failed = reasons.is_valid()
        bad_rows = rows.filter(failed.combine_chunks()).to_pylist()
        self.bad += [BadRow(row, why) for row, why in zip(bad_rows, reasons.drop_null().to_pylist(), strict=True)]
        numbered = numbered.drop_columns([ERROR])
        return numbered.filter(pc.invert(failed)) if self.on_error is OnError.SKIP else numbered
