"""Series of a long table, a row for each step: joined by their ids to a row for each series, in order of their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells import with_nulls
from assay.errors import DataFault, Fault, did_you_mean, raise_all
from assay.forecasting.clock import time_ranks
from assay.kinds._ragged import centre
from assay.model import Model
from assay.spec import Experiment, SeriesSpec

CARD = "series"  # where a model's card says how a long table is joined
COLUMN = "series"  # the name of the column that steps become
NAMED = 5  # series that are named, at most
FEWEST_STEPS = 2
BLOCK_ROWS = 1_024


@dataclass(frozen=True)
class Joined:
    """One row a series: its id, its steps, and what the columns beside them say in its first step."""

    table: pa.Table
    ids: tuple[str, ...]
    num_skipped: int = 0  # broken series that were left out


def whole_series(table: pa.Table, experiment: Experiment) -> tuple[pa.Table, int]:
    """Return a row for each series, and the number of broken ones that were left out; other tables as they are.

    Raises:
        DataFault: see `joined`.
    """
    if experiment.series is None:
        return table, 0
    found = joined(table, experiment.series, experiment.data.label, experiment.data.broken)
    return found.table, found.num_skipped


def spec_of(model: Model) -> SeriesSpec | None:
    """Return how a model joins a long table; None where its rows hold whole series."""
    told = model.card.get(CARD)
    return None if told is None else SeriesSpec.model_validate(told)


def as_trained(model: Model, table: pa.Table) -> pa.Table:
    """Return rows as the model was trained on them: series joined where it joins them.

    Raises:
        DataFault: see `joined`.
    """
    spec = spec_of(model)
    return table if spec is None else joined(table, spec, model.profile.label.name).table


def answers(model: Model, table: pa.Table) -> Iterator[pa.Table]:
    """Yield `row`, the id of each series and what `assay predict` says of it, some series at a time.

    Raises:
        DataFault: see `joined`; or the series do not fit the model.
    """
    spec = spec_of(model)
    assert spec is not None
    found = joined(table, spec, model.profile.label.name)
    for start in range(0, found.table.num_rows, BLOCK_ROWS):
        block = model.answer_table(found.table.slice(start, BLOCK_ROWS))
        row_n = np.arange(start, start + block.num_rows)
        named = pa.array(found.ids[start : start + BLOCK_ROWS])
        name = spec.id if spec.id not in block.column_names else f"{spec.id}_"
        yield block.add_column(0, name, named).add_column(0, "row", pa.array(row_n))


def joined(table: pa.Table, spec: SeriesSpec, label: str, broken: str = "error") -> Joined:
    """Return a row for each id, in the order in which ids first appear.

    Columns beside the channels are kept where no series has two values of them; the label must be such a column.

    Raises:
        DataFault: columns are missing or hold no numbers, a series has two labels, is too short or has an infinite
            number and the file does not say to skip it; named by their ids.
    """
    names = [spec.id, *([spec.time] if spec.time else []), *spec.channels]
    absent = [name for name in names if name not in table.column_names]
    raise_all(
        DataFault,
        [Fault(f"column '{name}'", "is missing", did_you_mean(name, table.column_names)) for name in absent],
    )
    code_S, ids = _codes(table.column(spec.id), spec.id)
    time_S = code_S if spec.time is None else time_ranks(table.column(spec.time), f"column '{spec.time}'")
    order_S = np.lexsort((np.arange(len(code_S)), time_S, code_S))
    table, code_S = table.take(pa.array(order_S)), code_S[order_S]
    value_SC = np.stack([_numbers(table.column(name), name) for name in spec.channels], axis=1)
    first_N = np.searchsorted(code_S, np.arange(len(ids)))
    length_N = np.diff(np.append(first_N, len(code_S)))
    columns = {
        COLUMN: _lists(value_SC, length_N),
        **_beside(table.drop_columns(sorted({*names})), label, code_S, first_N, ids),
    }
    if spec.time is not None:
        _check_once(time_S[order_S], code_S, ids, table, spec)
    sound_N = _sound(value_SC, code_S, len(ids))
    if not sound_N.all() and broken == "error":
        named = ", ".join(f"'{ids[code]}'" for code in np.flatnonzero(~sound_N)[:NAMED])
        raise DataFault.at(
            f"column '{spec.id}'",
            f"{int((~sound_N).sum()):,} of {len(ids):,} series have fewer than {FEWEST_STEPS} steps or an infinite "
            f"number: {named}",
            "drop them, or write `data: {broken: skip}`",
        )
    kept = [name for name, sound in zip(ids, sound_N, strict=True) if sound]
    return Joined(pa.table(columns).filter(pa.array(sound_N)), tuple(kept), int((~sound_N).sum()))


def _codes(column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, list[str]]:
    """Return the number of each step's series, and the ids by number."""
    if column.null_count:
        row = int(np.flatnonzero(np.asarray(column.combine_chunks().is_null()))[0])
        raise DataFault.at(f"column '{name}'", f"names no series in row {row}", "give every step the id of its series")
    found = column.combine_chunks().dictionary_encode()
    return found.indices.to_numpy().astype(np.int64), [str(value) for value in found.dictionary.to_pylist()]


def _numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    try:
        found = pc.cast(with_nulls(column), pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        text = str(error).split("\n")[0][:100]
        raise DataFault.at(f"column '{name}'", f"is a channel, but holds no numbers ({text})", "see `series`") from None
    value_S = found.to_numpy(zero_copy_only=False)
    known = value_S[np.isfinite(value_S)]
    far = len(known) and centre(float(known.mean()), float(known.std()))
    return np.asarray(value_S, np.float64 if far else np.float32)


def _lists(value_SC: np.ndarray, length_N: np.ndarray) -> pa.Array:
    flat = pa.array(value_SC.reshape(-1))
    steps = pa.FixedSizeListArray.from_arrays(flat, value_SC.shape[1])
    return pa.LargeListArray.from_arrays(pa.array(np.append(0, np.cumsum(length_N))), steps)


def _check_once(time_S: np.ndarray, code_S: np.ndarray, ids: Sequence[str], table: pa.Table, spec: SeriesSpec) -> None:
    """Check that no series has two steps of one time.

    Raises:
        DataFault: some have, the first of them named.
    """
    twice_s = np.flatnonzero((np.diff(time_S) == 0) & (np.diff(code_S) == 0))
    if not len(twice_s):
        return
    place, when = int(twice_s[0]), table.column(spec.time)[int(twice_s[0])].as_py()
    raise DataFault.at(
        f"column '{spec.time}'",
        f"{len(twice_s):,} steps have the time of another (first: {when} in series '{ids[code_S[place]]}')",
        "keep one of each, or name the column that tells such series apart: `series: {id: COLUMN}`",
    )


def _sound(value_SC: np.ndarray, code_S: np.ndarray, num_series: int) -> np.ndarray:
    said_S = ~np.isnan(value_SC).all(axis=1)
    infinite_N = np.bincount(code_S, np.isinf(value_SC).any(axis=1), num_series) > 0
    return np.asarray((np.bincount(code_S, said_S, num_series) >= FEWEST_STEPS) & ~infinite_N)


def _beside(rest: pa.Table, label: str, code_S: np.ndarray, first_N: np.ndarray, ids: list[str]) -> dict[str, Any]:
    """Return the columns that say one thing of each series."""
    found = {}
    for name in rest.column_names:
        column = rest.column(name).combine_chunks()
        value_S = pc.fill_null(column.dictionary_encode().indices, -1).to_numpy()
        other_S = value_S != value_S[first_N][code_S]
        if not other_S.any():
            found[name] = column.take(pa.array(first_N))
        elif name == label:
            step = int(np.flatnonzero(other_S)[0])
            series, values = ids[code_S[step]], (column[int(first_N[code_S[step]])].as_py(), column[step].as_py())
            raise DataFault.at(
                f"label '{label}'",
                f"series '{series}' has two values: {values[0]} and {values[1]}",
                "give all steps of a series one label",
            )
    return found
