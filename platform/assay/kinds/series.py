"""Series: a column of lists of numbers, or of steps with a number for each channel; audio waveforms too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.batch import Batch, Column
from assay.cells import BY_DEFAULT, MissingValues
from assay.errors import DataFault, Fault, raise_all
from assay.kinds import _ragged, _tensors
from assay.kinds._label import label_profile, summary_of, unknown_columns
from assay.kinds.tabular import Tabular
from assay.parts import Json, Kind
from assay.profile import SAMPLE_SIZE, ColumnProfile, ColumnSummary, Moments, Profile
from assay.seeds import row_hash
from assay.vocabulary import ColumnKind, Task

STEPS, CHANNEL, MOVES = " steps", " channel ", " moves "  # after the column's name: summaries of its parts
PARTS = rf"({STEPS}|({CHANNEL}|{MOVES})\d+)$"
FEW = 4.0  # steps of float32: smaller moves than so many are lost in rounding
USUAL_SHARE = 0.995  # of the series are not longer than the most steps
SPARE = 3.0  # where the longest has no more than so many times as many steps, none is cut
MOST_CHANNELS = 100_000
SERIES = "series"  # among the storage types of a summary


class Series(Kind):
    """Rows with one column of series of any lengths, and maybe plain columns beside it.

    A series is a list of numbers, or a list of steps that are lists of channels; files hold them as Arrow lists,
    requests as nested JSON lists. Missing numbers inside are bridged, a series of fewer than two steps or with an
    infinite number is refused by its row. The few that are far longer than all others are cut. Channels far from zero,
    such as coordinates in metres, are centred before they become float32.

    Example:
        >>> rows = pa.table({"x": [[1.0, 2.0], [3.0, None, 5.0], [1, 0], [2, 4]], "y": [*"abab"]})
        >>> kind = Series()
        >>> profile = kind.profile(kind.summarise(rows, np.arange(4), seed=0), "y", None, {}, None)
        >>> kind.to_batch(pa.table({"x": [[7, None, 9]]}), profile).columns["x"][0, :, 0].tolist()
        [7.0, 8.0, 9.0]
    """

    def claims(self, table: pa.Table, label: str) -> bool:
        return any(_holds_series(table.column(name)) for name in table.column_names if name != label)

    def summarise(
        self, table: pa.Table, row_N: np.ndarray, seed: int, missing: MissingValues = BY_DEFAULT
    ) -> dict[str, ColumnSummary]:
        series = [name for name in table.column_names if _holds_series(table.column(name))]
        found = Tabular().summarise(table.drop_columns(series), row_N, seed, missing)
        for name in series:
            found |= _summaries(table.column(name), name, row_N, seed)
        return found

    def profile(
        self,
        summaries: Mapping[str, ColumnSummary],
        label: str,
        task: Task | None,
        declared: Mapping[str, Any],
        positive: str | None,
        missing: MissingValues = BY_DEFAULT,
    ) -> Profile:
        series = [name for name, summary in summaries.items() if SERIES in summary.stored]
        plain = {name: summary for name, summary in summaries.items() if not _of(name, series)}
        label_known, label_faults = label_profile(label, summary_of(label, plain), task, positive, missing.rules(label))
        columns = [_column_profile(name, summaries, declared.get(name)) for name in series]
        used = [column.name for column in columns if not column.dropped]
        faults = [fault for name in used for fault in _faults(name, summaries)]
        if len(used) != 1:
            faults.append(_how_many(used))
        faults += unknown_columns(declared, [*plain, *series])
        beside, told = _beside(plain, label, task, declared, positive, missing)
        faults += told
        raise_all(DataFault, [*faults, *label_faults])
        return Profile((*columns, *beside), label_known, summaries[label].num_rows)

    def to_batch(self, table: pa.Table, profile: Profile, row_N: np.ndarray | None = None) -> Batch:
        row_N = np.arange(table.num_rows) if row_N is None else row_N
        known = [column for column in profile.used if column.kind is ColumnKind.SERIES]
        faults: list[Fault] = []
        columns: dict[str, np.ndarray] = {}
        for column in known:
            found = _array(table, column, row_N)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                columns[column.name] = found
        beside = replace(profile, columns=tuple(column for column in profile.columns if column not in known))
        try:
            batch = Tabular().to_batch(table, beside, row_N)
        except DataFault as error:
            raise DataFault(*faults, *error.faults) from None
        raise_all(DataFault, faults)
        meaning = {column.name: Column(ColumnKind.SERIES) for column in known}
        return replace(batch, columns={**columns, **batch.columns}, meaning={**meaning, **batch.meaning})

    def as_request(self, table: pa.Table, profile: Profile) -> list[Json]:
        known = [column for column in profile.used if column.kind is ColumnKind.SERIES]
        beside = replace(profile, columns=tuple(column for column in profile.columns if column not in known))
        found = Tabular().as_request(table, beside)
        for column in known:
            series = _ragged.to_plain(table.column(column.name), column.name, column.shape[0], column.centres)
            if isinstance(series, Fault):
                raise DataFault(series)
            found = [{column.name: one, **row} for one, row in zip(series, found, strict=True)]
        return found

    def wordless(
        self, table: pa.Table, label: str, declared: Mapping[str, Any], missing: MissingValues = BY_DEFAULT
    ) -> np.ndarray:
        """Return a mask of the rows whose series have fewer than two steps or an infinite number."""
        broken_N = np.zeros(table.num_rows, bool)
        for name in table.column_names:
            dropped = name in declared and declared[name].drop
            if name != label and not dropped and _holds_series(table.column(name)):
                found = _ragged.read(table.column(name), name, np.arange(table.num_rows))
                if not isinstance(found, Fault):  # the profile tells it
                    broken_N |= found.broken()
        return broken_N

    def default_steps(self, wants: str) -> tuple[str, ...]:
        if wants == "raw":
            return ("log_mel", "cepstra")
        if wants == "codes":
            return ("log_mel", "cepstra", "series_summary", *Tabular().default_steps(wants))
        return ("log_mel", "cepstra", "series_picture", *Tabular().default_steps(wants))


def _holds_series(column: pa.ChunkedArray) -> bool:
    kind, leaf = column.type, _tensors.leaf(column.type)
    number = pa.types.is_integer(leaf) or pa.types.is_floating(leaf) or pa.types.is_decimal(leaf)
    return number and _tensors.depth(kind) in (1, 2)


def _of(name: str, series: list[str]) -> bool:
    return name in series or re.sub(PARTS, "", name) in series


def _summaries(column: pa.ChunkedArray, name: str, row_N: np.ndarray, seed: int) -> dict[str, ColumnSummary]:
    """Return what a block says of the values of a column of series, and of their lengths."""
    found = _ragged.read(column, name, row_N)
    if isinstance(found, Fault):
        raise DataFault(found)
    end_N, infinite_N = found.ends(), found.infinite()
    empty_N, short_N = end_N == 0, end_N < _ragged.MIN_STEPS
    value_s = found.value_SC[np.isfinite(found.value_SC)].astype(np.float64)
    hash_N = row_hash(row_N, seed)
    order_n = np.argsort(hash_N, kind="stable")[:SAMPLE_SIZE]
    values = ColumnSummary(
        len(row_N),
        int(empty_N.sum()),
        frozenset({SERIES}),
        num_infinite=int(infinite_N.sum()),
        first_infinite_row=int(row_N[infinite_N][0]) if infinite_N.any() else -1,
        first_missing_row=int(row_N[empty_N][0]) if empty_N.any() else -1,
        moments=Moments.of(value_s),
        counts=Counter({str(found.value_SC.shape[1]): len(row_N)}) if len(found.value_SC) else Counter(),
    )
    lengths = ColumnSummary(
        len(row_N),
        int(short_N.sum()),
        first_missing_row=int(row_N[short_N][0]) if short_N.any() else -1,
        moments=Moments.of(end_N.astype(np.float64)),
        sample=tuple(zip(hash_N[order_n].tolist(), end_N[order_n].tolist(), strict=True)),
    )
    return {name: values, name + STEPS: lengths, **_channels(found, name)}


def _channels(found: _ragged.Ragged, name: str) -> dict[str, ColumnSummary]:
    """Return the values of each channel, and how much it moves from step to step."""
    same_S = np.diff(found.row_S) == 0
    summaries = {}
    for place, value_S in enumerate(found.value_SC.T.astype(np.float64)):
        move_s = np.abs(np.diff(value_S)[same_S])
        for part, number_s in ((CHANNEL, value_S), (MOVES, move_s[move_s > 0])):
            moments = Moments.of(number_s[np.isfinite(number_s)])
            summaries[f"{name}{part}{place}"] = ColumnSummary(len(found.length_N), moments=moments)
    return summaries


def _far_channels(name: str, summaries: Mapping[str, ColumnSummary]) -> tuple[tuple[float, ...], str]:
    """Return what is taken off each channel, and a word about one whose moves are lost even so."""
    centres, lost = list[float](), ""
    while (place := len(centres)) < MOST_CHANNELS and f"{name}{CHANNEL}{place}" in summaries:
        values, moves = (summaries[f"{name}{part}{place}"].moments for part in (CHANNEL, MOVES))
        centres.append(_ragged.centre(values.mean, values.std) if values.count else 0.0)
        if not values.count or not moves.count:
            continue
        farthest = max(abs(values.low - centres[-1]), abs(values.high - centres[-1]))
        if moves.mean < FEW * farthest * float(np.finfo(np.float32).eps):
            lost = (
                f"channel {place} moves by {moves.mean:.3g} on average, from {values.low:.10g} to {values.high:.10g}, "
                "which float32 cannot tell apart; give differences, or values since the start of each series"
            )
    return (tuple(centres) if any(centres) else ()), lost


def _column_profile(name: str, summaries: Mapping[str, ColumnSummary], declared: Any) -> ColumnProfile:
    values, lengths = summaries[name], summaries[name + STEPS]
    usual = int(np.quantile([length for _, length in lengths.sample], USUAL_SHARE, method="higher"))
    longest = int(lengths.moments.high)
    known = values.moments.count > 0
    centres, note = _far_channels(name, summaries)
    return ColumnProfile(
        name,
        ColumnKind.SERIES,
        "left out by the experiment file" if declared is not None and declared.drop else "",
        values.num_rows,
        values.num_missing,
        mean=values.moments.mean if known else None,
        std=values.moments.std if known else None,
        low=values.moments.low if known else None,
        high=values.moments.high if known else None,
        shape=(longest if longest <= SPARE * usual else usual, int(next(iter(values.counts), "1"))),
        centres=centres,
        note=note,
    )


def _faults(name: str, summaries: Mapping[str, ColumnSummary]) -> list[Fault]:
    values, lengths, found = summaries[name], summaries[name + STEPS], []
    if values.num_infinite:
        found.append(
            _ragged.row_fault(
                name, values.num_infinite, values.num_rows, "hold infinite numbers", values.first_infinite_row
            )
        )
    if lengths.num_missing:
        what = f"have fewer than {_ragged.MIN_STEPS} steps"
        found.append(_ragged.row_fault(name, lengths.num_missing, lengths.num_rows, what, lengths.first_missing_row))
    if len(values.counts) > 1:
        found.append(Fault(f"column '{name}'", f"rows have {' and '.join(sorted(values.counts))} channels"))
    return found


def _how_many(used: list[str]) -> Fault:
    if not used:
        return Fault("columns", "none holds series: lists of numbers", "give one, or another `kind`")
    named = ", ".join(f"'{name}'" for name in used[:5])
    return Fault("columns", f"{len(used)} hold series: {named}", "join them as channels of one, or drop all but one")


def _beside(
    plain: Mapping[str, ColumnSummary],
    label: str,
    task: Task | None,
    declared: Mapping[str, Any],
    positive: str | None,
    missing: MissingValues,
) -> tuple[list[ColumnProfile], list[Fault]]:
    """Return the plain columns beside the series as tables see them; those that cannot help are left out."""
    others = [name for name in plain if name != label]
    nested = [name for name in others if "other" in plain[name].stored]
    found = [
        ColumnProfile(name, ColumnKind.CATEGORY, f"holds {plain[name].other_type}, no series of numbers")
        for name in nested
    ]
    simple = {name: plain[name] for name in plain if name not in nested}
    if len(simple) == 1:
        return found, []
    said = {name: told for name, told in declared.items() if name in simple}
    try:
        return [*found, *Tabular().profile(simple, label, task, said, positive, missing).columns], []
    except DataFault as error:
        place = {f"label '{label}'", "data.positive", "columns"}
        faults = [fault for fault in error.faults if fault.place not in place]
        hopeless = [ColumnProfile(name, ColumnKind.CATEGORY, "says nothing beside the series") for name in simple]
        return [*found, *(column for column in hopeless if column.name != label)], faults


def _array(table: pa.Table, column: ColumnProfile, row_N: np.ndarray) -> np.ndarray | Fault:
    if column.name not in table.column_names:
        return Fault(f"column '{column.name}'", "is missing, expected series")
    return _ragged.to_array(
        table.column(column.name), column.name, column.shape, column.mean or 0.0, row_N, column.centres
    )
