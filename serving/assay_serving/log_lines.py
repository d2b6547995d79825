"""The lines of the prediction log: answered requests as one table, with types that are the same in every file.

Numbers, true/false, dates and texts stand as the model read them, categories as they were sent, so that new levels can
be seen. Of an image its brightness is kept, which is what `assay drift` compares; series are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay.profile import ColumnProfile
from assay.store import prediction_log as layout
from assay.vocabulary import ColumnKind
from assay_serving.desk import Answered

MAX_TEXT = 10_000  # characters of a text that are kept
NOT_A_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Kept:
    """An answer on its way to the log."""

    found: Answered
    role: str  # of the version that answered: champion or canary
    storage: str
    time_us: int  # since 1970


def lines(group: Sequence[Kept]) -> pa.Table:
    """Return the lines of answers of one version, in their order."""
    return pa.concat_tables([_lines(kept) for kept in group], promote_options="default")


def _lines(kept: Kept) -> pa.Table:
    found = kept.found
    count = found.num_answers
    ours: dict[str, Any] = {
        layout.REQUEST_ID: pa.array([found.request_id] * count, pa.string()),
        layout.TIME: pa.array([kept.time_us] * count, pa.timestamp("us", tz="UTC")),
        layout.ROW: pa.array(np.arange(count)),
        layout.ROLE: pa.array([kept.role] * count, pa.string()),
    }
    if found.told is not None:  # a forecast: its own lines, since the rows of the request were history
        told = {name: found.told.column(name).combine_chunks() for name in found.told.column_names}
        ours[layout.ANSWER] = told.pop("prediction").cast(pa.float64())
        return pa.table(_without_ours(told) | ours)
    ours |= _answers(found)
    sent = {column.name: _column(column, found) for column in found.served.asks.used}
    return pa.table(ours | _without_ours({name: array for name, array in sent.items() if array is not None}))


def _without_ours(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    return {name: array for name, array in columns.items() if name not in layout.OURS}


def _answers(found: Answered) -> dict[str, pa.Array]:
    model = found.served.model
    answer_N = model.answer(found.prediction_NK)
    if not model.classes:
        return {layout.ANSWER: pa.array(answer_N.astype(np.float64))}
    flat = pa.array(found.prediction_NK.astype(np.float32).ravel())
    probability = pa.FixedSizeListArray.from_arrays(flat, len(model.classes))
    return {layout.ANSWER: pa.array(answer_N.tolist(), pa.string()), layout.PROBABILITY: probability}


def _column(column: ColumnProfile, found: Answered) -> pa.Array | None:
    assert found.batch is not None
    value_N = found.batch.columns[column.name]
    match column.kind:
        case ColumnKind.NUMERIC:
            return pa.array(value_N, from_pandas=True)
        case ColumnKind.BOOLEAN:
            return pa.array(value_N == 1, pa.bool_(), mask=np.isnan(value_N))
        case ColumnKind.DATETIME:
            return pa.array(value_N, pa.int64(), mask=value_N == NOT_A_TIME).cast(pa.timestamp("us"))
        case ColumnKind.TEXT:
            return pa.array([text[:MAX_TEXT] or None for text in value_N], pa.string())
        case ColumnKind.CATEGORY:
            return _levels(column, value_N, found.table.column(column.name))
        case ColumnKind.IMAGE:
            return pa.array(value_N.reshape(len(value_N), -1).mean(axis=1))
        case _:
            return None


def _levels(column: ColumnProfile, code_N: np.ndarray, sent: pa.ChunkedArray) -> pa.Array:
    known = dict(enumerate(column.levels))
    unseen = {row: str(sent[row].as_py())[:MAX_TEXT] for row in np.flatnonzero(code_N == len(column.levels)).tolist()}
    return pa.array([known.get(code, unseen.get(row)) for row, code in enumerate(code_N.tolist())], pa.string())
