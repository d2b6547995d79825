"""Predictions of models whose rows are series of many lines: a bad line makes its series bad, and no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.bad_rows import BadRow, find_bad_rows, good_places
from assay.cells import canonical_text, stored
from assay.forecasting.framing import Framing
from assay.forecasting.requests import forecast
from assay.model import Model
from assay.vocabulary import OnError
from assay.workflows import long_series


def forecasts(
    model: Model, framing: Framing, table: pa.Table, on_error: OnError
) -> tuple[list[pa.Table], list[BadRow]]:
    """Return the forecasts of all series that can be read, and the series that cannot.

    With `null` a series that cannot be read has one row, without a time and a prediction.

    Raises:
        DataFault: a series cannot be read and is to fail, or none can.
    """
    if on_error is OnError.FAIL:
        return [forecast(framing, table, model.predict)], []
    groups = _groups(table, framing.series)
    bad = _bad_groups(table, groups, lambda rows: framing.future(rows))
    found = forecast(framing, _without(table, groups, bad), model.predict)
    if on_error is OnError.NULL and bad:
        first = table.take(pa.array([int(groups[one.row][0]) for one in bad]))
        nulls = {name: first.column(name).cast(found.schema.field(name).type) for name in framing.series}
        lines = [nulls.get(field.name, pa.nulls(len(bad), field.type)) for field in found.schema]
        found = pa.concat_tables([found, pa.table(lines, schema=found.schema)])
    return [found], _by_row(bad, groups)


def answers(model: Model, table: pa.Table, on_error: OnError) -> tuple[list[pa.Table], list[BadRow]]:
    """Return the predictions for all series of a long table that can be read, and the series that cannot.

    Raises:
        DataFault: a series cannot be read and is to fail, or none can.
    """
    if on_error is OnError.FAIL:
        return list(long_series.answers(model, table)), []
    spec = long_series.spec_of(model)
    assert spec is not None
    groups = _groups(table, [spec.id])
    label = model.profile.label.name
    bad = _bad_groups(table, groups, lambda rows: model.batch(long_series.joined(rows, spec, label).table))
    found = pa.concat_tables(long_series.answers(model, _without(table, groups, bad)))
    place = good_places(len(groups), bad)
    found = found.set_column(0, "row", pa.array(place.astype(np.int64)))
    if on_error is OnError.NULL and bad:
        ids = [str(table.column(spec.id)[int(groups[one.row][0])].as_py()) for one in bad]
        known = {"row": pa.array([one.row for one in bad], pa.int64()), found.column_names[1]: pa.array(ids)}
        lines = [known.get(field.name, pa.nulls(len(bad), field.type)) for field in found.schema]
        found = pa.concat_tables([found, pa.table(lines, schema=found.schema)]).sort_by("row")
    return [found], _by_row(bad, groups)


def _groups(table: pa.Table, names: Sequence[str]) -> list[np.ndarray]:
    """Return the lines of each series, in the order in which series first appear; a line without ids is one alone."""
    code_N = np.zeros(table.num_rows, np.int64)
    for name in names:
        if name in table.column_names:
            text = pc.dictionary_encode(canonical_text(stored(table.column(name)))).indices
            level_N = pc.fill_null(text, -1).to_numpy(zero_copy_only=False).astype(np.int64)
            _, code_N = np.unique(np.stack([code_N, level_N], axis=1), axis=0, return_inverse=True)
            code_N = code_N.reshape(-1)
    order_N = np.argsort(code_N, kind="stable")
    parts = np.split(order_N, np.flatnonzero(np.diff(code_N[order_N])) + 1) if len(order_N) else []
    return sorted(parts, key=lambda part: int(part[0]))


def _bad_groups(table: pa.Table, groups: Sequence[np.ndarray], read: Callable[[pa.Table], object]) -> list[BadRow]:
    def read_groups(places: np.ndarray) -> None:
        if len(places):
            chosen = np.sort(np.concatenate([groups[place] for place in places]))
            read(table.take(pa.array(chosen)))

    return find_bad_rows(len(groups), read_groups)


def _without(table: pa.Table, groups: Sequence[np.ndarray], bad: Sequence[BadRow]) -> pa.Table:
    good = good_places(len(groups), bad)
    return table.take(pa.array(np.sort(np.concatenate([groups[place] for place in good]))))


def _by_row(bad: Sequence[BadRow], groups: Sequence[np.ndarray]) -> list[BadRow]:
    """Return bad series by the first line of each in the data."""
    return [BadRow(int(groups[one.row][0]), one.reason) for one in bad]
