"""A forecast as a table: one row for each series, origin and step, its label relative to the level at the origin.

The same code makes the rows that models learn from, the rolling windows that judge them and the rows of a forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.cells import with_nulls
from assay.errors import DataFault, Fault, raise_all
from assay.forecasting.clock import Clock
from assay.forecasting.features import Past
from assay.forecasting.history import MIN_LEVEL, naive_error, past_of
from assay.forecasting.repair import ERROR, Repaired, repaired
from assay.forecasting.series import MAX_TOLD, Series, check_columns, series_codes, split
from assay.forecasting.written import Written, read_times
from assay.spec import ForecastSpec

MOST_ROWS = 200_000  # to learn from; origins are left out evenly beyond it


@dataclass(frozen=True)
class Framed:
    """Rows as algorithms read them, and what turns their numbers back: value = level + unit x number."""

    table: pa.Table
    origin_N: np.ndarray  # step of time of each row's origin
    step_N: np.ndarray  # 1 to the horizon
    level_N: np.ndarray
    unit_N: np.ndarray
    scale_N: np.ndarray  # the unit of the MASE; equal to `unit_N` where that is what numbers are told in
    row_N: np.ndarray  # of the target in the table that was framed, -1 where it has none
    series_N: np.ndarray  # place of the row's series among `names`
    phase_N: np.ndarray  # where in a step the times of the row's series lie
    filled_N: np.ndarray  # whether the target was filled in, so that it must not be scored
    names: tuple[str, ...]
    written: Written | None = None  # how the times of the rows that are answered are written

    def natural(self, number_N: np.ndarray) -> np.ndarray:
        """Return numbers of the framed table in units of the label."""
        found: np.ndarray = self.level_N + self.unit_N * number_N.astype(np.float64)
        return found

    def scaled(self, number_N: np.ndarray) -> np.ndarray:
        """Return numbers of the framed table in units of the MASE, from the level of each origin."""
        found: np.ndarray = self.unit_N / self.scale_N * number_N.astype(np.float64)
        return found


@dataclass(frozen=True)
class Framing:
    """How series become rows: learned on the training rows, kept with the model as JSON.

    `scales` are the errors of the seasonal naive forecast within the training rows, by the name of the series: mean
    absolute differences of values one season apart, 0 where the series was always the same, and `usual` is their mean.
    `scaled` says that numbers are told in these units, so that their mean absolute error is the MASE; otherwise the
    unit is that of the label. A series that was always the same has a tiny unit, so that it is forecast by its level;
    its errors are measured by the usual scale. `complete` are the known columns without a gap in the training rows.
    """

    label: str
    time: str
    series: tuple[str, ...]
    known: tuple[str, ...]
    past: Past
    clock: Clock
    scales: Mapping[str, float]
    usual: float = 1.0
    complete: tuple[str, ...] = ()
    scaled: bool = True
    gaps: str = "error"
    twice: str = "error"
    short: str = "error"

    @classmethod
    def learn(
        cls, table: pa.Table, spec: ForecastSpec, label: str, time: str, *, scaled: bool, date_format: str = ""
    ) -> Framing:
        """Learn the clock, the season and the scales from the training rows.

        Raises:
            DataFault: a column is missing, time is irregular, or no series is long enough.
        """
        check_columns(table, [label, time, *spec.series, *spec.known])
        clock = clock_of(table, spec, time, date_format)
        complete = tuple(name for name in spec.known if not with_nulls(table.column(name)).null_count)
        repairs = (spec.gaps, spec.twice, spec.short)
        past = Past(spec.horizon, 1, MIN_LEVEL)
        made = cls(label, time, tuple(spec.series), tuple(spec.known), past, clock, {}, 1.0, complete, scaled, *repairs)
        series = made.split(made.repaired(table).table)
        made = replace(made, past=past_of(series, spec, clock))
        scales = {one.name: naive_error(one.y_T[: one.known], made.past.season) for one in series}
        told = {name: scale for name, scale in scales.items() if scale == scale}
        moving = [scale for scale in told.values() if scale > 0]
        return replace(made, scales=told, usual=float(np.mean(moving)) if moving else 1.0)

    def repaired(self, table: pa.Table) -> Repaired:
        """Return rows with gaps and doubles made good; see `repair.repaired`."""
        return repaired(table, self.series, self.time, self.label, self.clock, gaps=self.gaps, twice=self.twice)

    def split(self, table: pa.Table) -> list[Series]:
        """Return the series of a table, checked; see `series.split`."""
        return split(table, self.series, self.time, self.label, self.clock)

    def to_learn(self, table: pa.Table) -> Framed:
        """Return a row for every origin and step whose target is known.

        Raises:
            DataFault: a series is too short, unless those are skipped; no series is long enough.
        """
        rows = self.repaired(table)
        series = self.split(rows.table)
        if self.short == "error":
            short = [one for one in series if one.known <= self.past.fewest]
            raise_all(DataFault, [fault for one in short[:MAX_TOLD] for fault in self._too_short(one).faults])
        num_rows = sum(max(0, one.known - self.past.fewest) for one in series) * self.past.horizon
        every = -(-num_rows // MOST_ROWS) or 1

        def targets(one: Series) -> tuple[np.ndarray, np.ndarray]:
            last = one.known - 1
            origin_n = np.arange(last - 1, self.past.fewest - 2, -every)[::-1]  # the newest is always there
            origin_N, step_N = np.repeat(origin_n, self.past.horizon), np.tile(self._steps, len(origin_n))
            there_N = origin_N + step_N <= last
            return origin_N[there_N], step_N[there_N]

        if num_rows <= 0:
            raise self._too_short(max(series, key=lambda one: one.known))
        return self._framed(rows, series, targets)

    def windows(self, table: pa.Table, first_N: np.ndarray) -> Framed:
        """Return a row for each row in the mask `first_N`; see `windows_of`."""
        rows = self.repaired(table)
        return self.windows_of(rows, first_N[rows.source_N])

    def judged(self, table: pa.Table) -> Framed:
        """Return rolling windows over the rows after the first ones that every forecast needs.

        Raises:
            DataFault: the history is too short for one window.
        """
        rows = self.repaired(table)
        mask_N = np.zeros(rows.table.num_rows, bool)
        for one in self.split(rows.table):
            mask_N[one.row_T[self.past.fewest : one.known]] = True
        if not mask_N.any():
            found = f"hold no series of more than {self.past.fewest} values, the first of which are its history"
            raise DataFault.at("the rows", found, "give longer series, with their values")
        return self.windows_of(rows, mask_N)

    def windows_of(self, rows: Repaired, first_N: np.ndarray) -> Framed:
        """Return a row for each row in the mask `first_N`, in their order: rolling windows of the horizon.

        The first origin is the last row before the mask; after each window its true values are known. Values that were
        filled in are part of the history, and are no rows.

        Raises:
            DataFault: a series has too few values before the mask, unless those are skipped, or rows outside of it
                after its first; a column that is known in advance lacks a value; or no series is left.
        """
        series, faults = self.split(rows.table), list[Fault]()
        if self.short == "skip":
            series = [one for one in series if _begin(one, first_N) >= self.past.fewest] or series[:1]
        for one in series:
            begins = _begin(one, first_N)
            if begins < one.known and not first_N[one.row_T[begins : one.known]].all():
                faults.append(Fault(self._place(one), "has test rows before training rows", "test on the newest rows"))
            elif begins < min(self.past.fewest, one.known):
                faults += self._too_short(one, begins).faults
            faults += self._lacking(rows.table, one, begins, one.known)
        raise_all(DataFault, faults[:MAX_TOLD])

        def targets(one: Series) -> tuple[np.ndarray, np.ndarray]:
            begins = _begin(one, first_N)
            place_n = np.arange(max(0, one.known - begins))
            place_n = place_n[~rows.filled_N[one.row_T[begins + place_n]]]
            step_N = place_n % self.past.horizon + 1
            return begins + place_n - step_N, step_N

        framed = self._framed(rows, series, targets)
        return taken(framed, np.argsort(framed.row_N, kind="stable"))

    def future(self, table: pa.Table) -> Framed:
        """Return the rows of a forecast: those after the last value of each series, or all steps where none are given.

        Raises:
            DataFault: a series is too short, or has more rows to come than the horizon, or none where columns that are
                known in advance must be told.
        """
        check_columns(table, [self.time, *self.known])
        written = read_times(table.column(self.time), f"column '{self.time}'", self.clock.date_format).written
        rows = self.repaired(table)
        series, faults = self.split(rows.table), list[Fault]()
        if self.short == "skip":
            series = [one for one in series if one.known >= self.past.fewest] or series[:1]
        for one in series:
            if len(faults) >= MAX_TOLD:
                break
            to_come = len(one.y_T) - one.known
            if one.known < self.past.fewest:
                faults += self._too_short(one).faults
            elif to_come > self.past.horizon:
                found = f"has {to_come:,} rows without a label at its end, the horizon is {self.past.horizon}"
                faults.append(Fault(self._place(one), found, "give as many as the model was trained for"))
            elif not to_come and self.known:
                found = f"has no row after its last value to read {', '.join(self.known)} from"
                faults.append(Fault(self._place(one), found, "add rows to come, without a label"))
            faults += self._lacking(rows.table, one, one.known, len(one.y_T))
        raise_all(DataFault, faults[:MAX_TOLD])

        def targets(one: Series) -> tuple[np.ndarray, np.ndarray]:
            step_N = self._steps[: len(one.y_T) - one.known] if self.known else self._steps
            return np.full(len(step_N), one.known - 1), step_N

        return replace(self._framed(rows, series, targets, of_history=True), written=written)

    def answer(self, framed: Framed, number_N: np.ndarray) -> pa.Table:
        """Return the columns that name a series, its time, and `prediction` in units of the label."""
        columns: dict[str, Any] = {name: framed.table.column(name) for name in self.series}
        columns[self.time] = self.clock.column(framed.origin_N + framed.step_N, framed.phase_N, framed.written)
        columns["prediction"] = pa.array(framed.natural(number_N))
        return pa.table(columns)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Framing:
        """Read what `to_json` wrote."""
        told = {"past": Past(**data["past"]), "clock": Clock.from_json(data["clock"])}
        told |= {name: tuple(data[name]) for name in ("series", "known", "complete")}
        return cls(**{**data, **told})

    @property
    def _steps(self) -> np.ndarray:
        return np.arange(1, self.past.horizon + 1)

    def _place(self, one: Series) -> str:
        return f"series '{one.name}'" if self.series else "the series"

    def _too_short(self, one: Series, length: int | None = None) -> DataFault:
        length = one.known if length is None else length
        first = self.clock.column(np.array([one.first]), one.phase)[0].as_py()
        found = (
            f"has {length:,} values from {first} on before its first forecast, more than {self.past.fewest} are needed"
        )
        fix = "give a longer history or a smaller `season`, or leave such series out: `forecast: {short: skip}`"
        return DataFault(Fault(self._place(one), found, fix))

    def _lacking(self, table: pa.Table, one: Series, begin: int, end: int) -> list[Fault]:
        """Return a fault for each column known in advance that lacks a value of a step, and lacked none in training."""
        row_n = one.row_T[begin:end]
        faults = []
        for name in self.complete if len(row_n) else ():
            lacks_n = np.asarray(with_nulls(table.column(name).take(pa.array(row_n))).is_null(nan_is_null=True))
            if lacks_n.any():
                at = int(np.flatnonzero(lacks_n)[0])
                when = self.clock.column(np.array([one.first + begin + at]), one.phase)[0].as_py()
                where = f"{int(lacks_n.sum()):,} rows that are forecast (first: {when} in row {row_n[at]})"
                faults.append(
                    Fault(self._place(one), f"has no '{name}' in {where}", "fill it in, as it was in all training rows")
                )
        return faults

    def _scales(self, one: Series, of_history: bool) -> tuple[float, float]:
        """Return the unit of a series' numbers and the scale of its errors.

        A series that is new to the model, or never moved in its training, is measured by the history that comes with it
        if all of it is known before the forecast (`of_history`).
        """
        scale = self.scales.get(one.name)
        if scale is None or (scale == 0 and of_history):
            scale = naive_error(one.y_T[: one.known], self.past.season)
        scale = self.usual if scale != scale else scale
        if scale == 0:
            return TINY * self.usual, self.usual
        return (scale if self.scaled else 1.0), scale

    def _framed(
        self,
        rows: Repaired,
        series: Sequence[Series],
        targets: Callable[[Series], tuple[np.ndarray, np.ndarray]],
        *,
        of_history: bool = False,
    ) -> Framed:
        parts = []
        for place, one in enumerate(series):
            origin_N, step_N = targets(one)
            target_N = origin_N + step_N
            unit, scale = self._scales(one, of_history)
            level_N = self.past.levels(one.y_T, origin_N)
            features = self.past.features(one.y_T, origin_N, step_N)
            features |= self._exact({name: value_N / unit for name, value_N in features.items() if name != "step"})
            features |= self.clock.calendar(one.first + target_N, one.phase)
            place_N = (one.first + target_N) % self.past.season
            features["place in season"] = place_N.astype(str) if self.past.season <= FEW_PLACES else place_N * 1.0
            there_N = target_N < len(one.y_T)
            row_N = np.where(there_N, one.row_T[np.minimum(target_N, len(one.y_T) - 1)], -1)
            y_N = np.where(there_N, one.y_T[np.minimum(target_N, len(one.y_T) - 1)], np.nan)
            features[self.label] = (y_N - level_N) / unit
            numbers = (
                one.first + origin_N,
                step_N,
                level_N,
                np.full(len(step_N), unit),
                np.full(len(step_N), scale),
                row_N,
                np.full(len(step_N), place),
                np.full(len(step_N), one.phase),
                np.where(there_N, rows.filled_N[row_N], False),
            )
            parts.append((features, numbers))
        columns = {name: pa.array(np.concatenate([part[0][name] for part in parts])) for name in parts[0][0]}
        told = [np.concatenate([part[1][number] for part in parts]) for number in range(9)]
        made = self._beside(rows.table, columns, told[5], told[6], [one.row_T[0] for one in series])
        origin_N, step_N, level_N, unit_N, scale_N, row_N, series_N, phase_N, filled_N = told
        names = tuple(one.name for one in series)
        return Framed(made, origin_N, step_N, level_N, unit_N, scale_N, row_N, series_N, phase_N, filled_N, names)

    @staticmethod
    def _exact(features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return features without the last bits, which sums over histories of other lengths would change."""
        return {name: value_N.astype(np.float32).astype(np.float64) for name, value_N in features.items()}

    def _beside(
        self,
        table: pa.Table,
        columns: dict[str, pa.Array],
        row_N: np.ndarray,
        series_N: np.ndarray,
        first_S: Sequence[int],
    ) -> pa.Table:
        """Return the features with the columns that are known in advance, at the target, and those that name series."""
        taken_names = [name for name in (*self.known, *self.series) if name in columns]
        if taken_names:
            raise DataFault.at(f"column '{taken_names[0]}'", "has the name of a feature of forecasts", "rename it")
        label = columns.pop(self.label)
        target = pa.array(np.where(row_N >= 0, row_N, 0))
        for name in self.known:
            columns[name] = table.column(name).combine_chunks().take(target)
        of_series = pa.array(np.asarray(first_S)[series_N])
        for name in self.series:
            columns[name] = table.column(name).combine_chunks().take(of_series)
        return pa.table({**columns, self.label: label})


TINY = 1e-6  # share of the usual scale that is the unit of a series without any change
FEW_PLACES = 60  # in a season: so many are told apart one by one, more as a number


def clock_of(table: pa.Table, spec: ForecastSpec, time: str, date_format: str = "") -> Clock:
    """Return the clock of the rows of series; see `Clock.learn`."""
    code_N, _ = series_codes(table, spec.series)
    place, filled = f"column '{time}'", spec.gaps != ERROR
    return Clock.learn(table.column(time), code_N, place, step=spec.step, filled=filled, date_format=date_format)


def _begin(one: Series, first_N: np.ndarray) -> int:
    """Return the position of the first value of a series in the mask, its length where none is."""
    in_mask_n = np.flatnonzero(first_N[one.row_T])
    return int(in_mask_n[0]) if len(in_mask_n) else len(one.row_T)


def taken(framed: Framed, index_n: np.ndarray) -> Framed:
    """Return some rows, in that order."""
    arrays = {name: value[index_n] for name, value in vars(framed).items() if isinstance(value, np.ndarray)}
    return replace(framed, table=framed.table.take(pa.array(index_n)), **arrays)
