"""The lines of the prediction log: answered requests as one table, with types that are the same in every file.

Numbers, true/false, dates and texts stand as the model read them, categories as they were sent, so that new levels can
be seen. Of an image its brightness is kept, which is what `assay drift` compares; series are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from assay.batch import Batch
from assay.profile import ColumnProfile
from assay.store import prediction_log as layout
from assay.vocabulary import ColumnKind
from assay_serving.desk import Answered
from assay_serving.served import Served

MAX_TEXT = 10_000  # characters of a text that are kept
NOT_A_TIME = np.iinfo(np.int64).min
KEPT = frozenset(ColumnKind) - {ColumnKind.SERIES}
Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class Kept:
    """An answer on its way to the log."""

    found: Answered
    role: str  # of the version that answered: champion or canary
    storage: str
    time_us: int  # since 1970

    @cached_property
    def batch(self) -> Batch:
        """The rows as the model read them; maybe converted a second time, so ask for it where no client waits."""
        batch = self.found.batch
        assert batch is not None, "an answer without rows is not kept"
        return batch


def lines(served: Served, group: Sequence[Kept]) -> pa.Table:
    """Return the lines of answers of one version, in their order.

    Columns are made once for all answers, not for each: of 2,000 requests of a row that takes 20 ms, not 500.
    """
    if served.framing is not None:  # its own lines, since the rows of the request were history
        told = pa.concat_tables([kept.found.told for kept in group])
        columns = {name: told.column(name).combine_chunks() for name in told.column_names}
        answer = {layout.ANSWER: columns.pop("prediction").cast(pa.float64())}
        return pa.table(_ours(group) | answer | _without_ours(columns))
    prediction_NK = np.concatenate([kept.found.prediction_NK for kept in group])
    columns = {column.name: _column(column, group) for column in served.asks.used if column.kind in KEPT}
    return pa.table(_ours(group) | _answers(served, prediction_NK) | _without_ours(columns))


def _ours(group: Sequence[Kept]) -> Columns:
    count_G = np.array([kept.found.num_answers for kept in group])

    def repeated(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(group)), count_G)))

    return {
        layout.REQUEST_ID: repeated([kept.found.request_id for kept in group], pa.string()),
        layout.TIME: repeated([kept.time_us for kept in group], layout.TIME_TYPE),
        layout.ROW: pa.array(np.concatenate([np.arange(count) for count in count_G])),
        layout.ROLE: repeated([kept.role for kept in group], pa.string()),
    }


def _without_ours(columns: Columns) -> Columns:
    return {name: array for name, array in columns.items() if name not in layout.OURS}


def _answers(served: Served, prediction_NK: np.ndarray) -> Columns:
    model = served.model
    answer_N = model.answer(prediction_NK)
    if not model.classes:
        return {layout.ANSWER: pa.array(answer_N.astype(np.float64))}
    flat = pa.array(prediction_NK.astype(np.float32).ravel())
    probability = pa.FixedSizeListArray.from_arrays(flat, len(model.classes))
    return {layout.ANSWER: pa.array(answer_N.tolist(), pa.string()), layout.PROBABILITY: probability}


def _column(column: ColumnProfile, group: Sequence[Kept]) -> pa.Array:
    parts = [kept.batch.columns[column.name] for kept in group]
    if column.kind is ColumnKind.IMAGE:
        return pa.array(np.concatenate([part.reshape(len(part), -1).mean(axis=1) for part in parts]))
    if column.kind is ColumnKind.CATEGORY:
        return pa.array([level for kept in group for level in _levels(column, kept)], pa.string())
    value_N = np.concatenate(parts)
    match column.kind:
        case ColumnKind.BOOLEAN:
            return pa.array(value_N == 1, pa.bool_(), mask=np.isnan(value_N))
        case ColumnKind.DATETIME:
            return pa.array(value_N, pa.int64(), mask=value_N == NOT_A_TIME).cast(pa.timestamp("us"))
        case ColumnKind.TEXT:
            return pa.array([text[:MAX_TEXT] or None for text in value_N], pa.string())
        case _:
            return pa.array(value_N, from_pandas=True)


def _levels(column: ColumnProfile, kept: Kept) -> Iterator[str | None]:
    """Yield the levels of a category; those that training never saw as they were sent."""
    for row, code in enumerate(kept.batch.columns[column.name].tolist()):
        if code == len(column.levels):
            yield str(kept.found.table.column(column.name)[row].as_py())[:MAX_TEXT]
        else:
            yield column.levels[code] if code >= 0 else None
