"""A row to explain: who plays, for each kind of column, and what is left of the row when only some of them do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from assay.batch import Batch
from assay.explaining.players import Columns, Players, patches, stretches, words
from assay.forecasting.features import parts_of_past
from assay.forecasting.framing import Framed, Framing
from assay.vocabulary import ColumnKind


@dataclass(frozen=True)
class Row:
    """One row to explain: who plays, and what turns the model's number into the answer."""

    batch: Batch  # one row
    playing: tuple[Players, ...]
    at: Mapping[str, Any] = field(default_factory=dict)
    level: float = 0.0
    unit: float = 1.0

    @property
    def num_players(self) -> int:
        """How many play."""
        return sum(len(some.names) for some in self.playing)

    @property
    def num_bytes(self) -> int:
        """What a row takes in memory."""
        return sum(array.nbytes for array in self.batch.columns.values())

    @property
    def on_ground(self) -> Columns | None:
        """The columns that training rows stand in for, if there are any."""
        return next((some for some in self.playing if isinstance(some, Columns)), None)

    def shown(self, z_MP: np.ndarray, ground_M: np.ndarray) -> Batch:
        """Return M rows in which those who do not play are as on the ground."""
        columns: dict[str, np.ndarray] = {}
        first = 0
        for some in self.playing:
            columns.update(some.columns(z_MP[:, first : first + len(some.names)], ground_M))
            first += len(some.names)
        ordered = {name: columns[name] for name in self.batch.columns}
        return replace(self.batch, columns=ordered, row_N=np.arange(len(z_MP)), y_N=None)

    def distinct(self, z_MP: np.ndarray, ground_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first of the coalitions that come to each different row, and for each coalition which of these.

        A column that is on the ground what it is in the row makes no difference; and where all play there is no ground.
        """
        on_ground, seen_MP = self.on_ground, z_MP
        if on_ground is not None:
            first = z_MP.shape[1] - len(on_ground.names)  # they come last
            which_G, place_M = np.unique(ground_M, return_inverse=True)
            seen_MP = z_MP.copy()
            seen_MP[:, first:] |= on_ground.same(which_G)[place_M]
            ground_M = np.where(seen_MP[:, first:].all(axis=1), 0, ground_M)
        key_MB = np.hstack([np.packbits(seen_MP, axis=1), ground_M[:, None].astype(np.int32).view(np.uint8)])
        void_M = np.ascontiguousarray(key_MB).view(np.dtype((np.void, key_MB.shape[1])))[:, 0]
        _, first_U, index_M = np.unique(void_M, return_index=True, return_inverse=True)
        return first_U, index_M


def of_table(table: pa.Table, batch: Batch, ground: Batch | None, place: int, whole_texts: bool) -> Row:
    """Return a row of a table; `batch` was made of it, and `ground` are training rows of its plain columns.

    Unless `whole_texts`, texts play by their words.
    """
    row, found = batch.take(np.array([place])), list[Players]()
    plain: dict[str, tuple[str, ...]] = {}
    for name, column in batch.meaning.items():
        if column.kind is ColumnKind.IMAGE:
            found.append(patches(name, row.columns[name][0]))
        elif column.kind is ColumnKind.SERIES:
            found.append(stretches(name, row.columns[name][0]))
        elif column.kind is ColumnKind.TEXT and not column.view_of and not whole_texts:
            found.append(words(name, row.columns[name][0]))
        else:  # a view shows and hides with the column that it shows
            of = column.view_of or name
            plain[of] = (*plain.get(of, ()), name)
    if plain:
        values = {name: _plain(table.column(name)[place].as_py()) for name in plain}
        found.append(_columns(row, ground, plain, values))
    return Row(row, tuple(found))


def of_forecast(framing: Framing, framed: Framed, batch: Batch, ground: Batch | None, place: int) -> Row:
    """Return a row of a forecast: one series, one time to come; `ground` are framed training rows."""
    row, target = batch.take(np.array([place])), framed.origin_N[place] + framed.step_N[place]
    values = {name: _plain(framed.table.column(name)[place].as_py()) for name in framed.table.column_names}
    time = framing.clock.column(np.array([target]), framed.phase_N[place : place + 1], framed.written)[0].as_py()
    at = {**{name: values[name] for name in framing.series}, framing.time: _plain(time)}
    groups = parts_of_past(framing.label, framing.time, list(batch.columns))
    columns = _columns(row, ground, groups, values | at)
    return Row(row, (columns,), at, float(framed.level_N[place]), float(framed.unit_N[place]))


def _columns(
    row: Batch, ground: Batch | None, groups: Mapping[str, Sequence[str]], values: Mapping[str, Any]
) -> Columns:
    assert ground is not None, "a model of plain columns has training rows of them"
    told = tuple(values.get(name) for name in groups)
    return Columns(tuple(groups), told, tuple(map(tuple, groups.values())), row, ground)


def _plain(value: Any) -> Any:
    """Return a value of a row as JSON has it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):  # and times
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
