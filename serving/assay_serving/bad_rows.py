"""Rows of a request that cannot be read: `?on_error=skip` leaves them out, `null` answers them with null.

Either way the answer lists them under `errors`, each with its row and the reason. Of a model that forecasts a series
with a row that cannot be read is left out whole, and told by its first row. A request none of whose rows can be read,
or that lacks a column, is refused as always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi import Request

from assay.bad_rows import BadRow, find_bad_rows, good_places
from assay.vocabulary import OnError
from assay_serving.faults import bad_request
from assay_serving.rows import Sent
from assay_serving.served import Served

PARAMETER = "on_error"
Json = dict[str, Any]


@dataclass(frozen=True)
class CheckedRows:
    """The rows of a request that can be read, and those that cannot."""

    on_error: OnError
    num_rows: int
    good: np.ndarray  # places of the rows that are answered
    bad: tuple[BadRow, ...] = ()
    ids: pa.Table | None = None  # of a forecast: what names each bad series

    @property
    def _nulls(self) -> list[int]:
        """Places of the answers that are null, in rising order."""
        return [one.row for one in self.bad] if self.on_error is OnError.NULL and self.ids is None else []

    def filled(self, items: Sequence[Any], null: Any) -> list[Any]:
        """Return one item a row, `null` where the row could not be read."""
        if not self._nulls:
            return list(items)
        found = [null] * self.num_rows
        for place, item in zip(self.good.tolist(), items, strict=True):
            found[place] = item
        return found

    def told(self, content: Json) -> Json:
        """Return the body of an answer with what could not be read, where that was asked for."""
        if self.on_error is OnError.FAIL:
            return content
        return {**content, "errors": [one.to_json() for one in self.bad]}

    def records(self, content: Json) -> Json:
        """Return the body of an answer of records: with nulls, and `errors`."""
        found = content["predictions"]
        names = list(found[0]) if found else []
        return self.told({**content, "predictions": self.filled(found, dict.fromkeys(names))})

    def tensors(self, content: Json) -> Json:
        """Return the body of an answer of tensors: with nulls, and `errors`."""
        if not self._nulls:
            return self.told(content)
        return self.told({**content, "outputs": [self._tensor(tensor) for tensor in content["outputs"]]})

    def _tensor(self, tensor: Json) -> Json:
        shape = [self.num_rows, *tensor["shape"][1:]]
        width = int(np.prod(shape[1:], dtype=np.int64))
        cells = [tensor["data"][at : at + width] for at in range(0, len(tensor["data"]), width)]
        data = [value for cell in self.filled(cells, [None] * width) for value in cell]
        return {**tensor, "shape": shape, "data": data}

    def with_series(self, told: pa.Table | None) -> pa.Table | None:
        """Return the columns of a forecast, below them one row without time and prediction for each bad series."""
        if told is None or self.ids is None or not self.bad or self.on_error is not OnError.NULL:
            return told
        fields = told.schema
        columns = {name: self.ids.column(name).cast(fields.field(name).type) for name in self.ids.column_names}
        lines = [columns.get(field.name, pa.nulls(len(self.bad), field.type)) for field in fields]
        return pa.concat_tables([told, pa.table(lines, schema=fields)])


def on_error_of(request: Request) -> OnError:
    """Return what a request wants to be done with its bad rows.

    Raises:
        RequestFault: 400, it is not known.
    """
    text = request.query_params.get(PARAMETER, OnError.FAIL)
    if text not in list(OnError):
        raise bad_request(f"{PARAMETER}: found '{text[:40]}', expected one of {', '.join(OnError)}")
    return OnError(text)


def checked_rows(sent: Sent, served: Served, on_error: OnError) -> CheckedRows:
    """Find the rows that cannot be read.

    Raises:
        DataFault: a column is missing, or no row can be read.
    """
    if on_error is OnError.FAIL:
        return CheckedRows(on_error, sent.num_rows, np.arange(sent.num_rows))
    framing = served.framing
    if framing is None:
        bad = find_bad_rows(sent.num_rows, lambda places: served.rows(sent.table(places)))
        return CheckedRows(on_error, sent.num_rows, good_places(sent.num_rows, bad), tuple(bad))
    groups = _groups(sent, framing.series)

    def rows_of(places: np.ndarray) -> np.ndarray:
        return np.sort(np.concatenate([groups[place] for place in places]))

    bad = find_bad_rows(len(groups), lambda places: served.rows(sent.table(rows_of(places))) if len(places) else None)
    good, first = rows_of(good_places(len(groups), bad)), [int(groups[one.row][0]) for one in bad]
    known: Mapping[str, Any] = {name: [str(_at(sent.columns[name], row)) for row in first] for name in framing.series}
    named = tuple(BadRow(row, one.reason) for row, one in zip(first, bad, strict=True))
    return CheckedRows(on_error, sent.num_rows, good, named, pa.table(known))


def _groups(sent: Sent, names: Sequence[str]) -> list[np.ndarray]:
    """Return the rows of each series, in the order in which series first appear."""
    found: dict[tuple[str, ...], list[int]] = {}
    for row in range(sent.num_rows):
        key = tuple(str(_at(sent.columns[name], row)) if name in sent.columns else "" for name in names)
        found.setdefault(key, []).append(row)
    return [np.array(rows) for rows in found.values()]


def _at(column: Any, row: int) -> Any:
    value = column[row]
    return value.as_py() if isinstance(value, pa.Scalar) else value
