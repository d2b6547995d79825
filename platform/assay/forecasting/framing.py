"""A forecast as a table: one row for each series, origin and step, its label relative to the level at the origin.

The same code makes the rows that models learn from, the rolling windows that judge them and the rows of a forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import DataFault, Fault, raise_all
from assay.forecasting.clock import Clock
from assay.forecasting.features import Past
from assay.forecasting.repair import repaired
from assay.forecasting.series import MAX_TOLD, Series, check_columns, series_codes, split
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
    names: tuple[str, ...]

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
    absolute differences of values one season apart. `scaled` says that numbers are told in these units, so that their
    mean absolute error is the MASE; otherwise the unit is that of the label.
    """

    label: str
    time: str
    series: tuple[str, ...]
    known: tuple[str, ...]
    past: Past
    clock: Clock
    scales: Mapping[str, float]
    scaled: bool = True
    gaps: str = "error"
    twice: str = "error"
    short: str = "error"

    @classmethod
    def learn(cls, table: pa.Table, spec: ForecastSpec, label: str, time: str, *, scaled: bool) -> Framing:
        """Learn the clock and the scales from the training rows.

        Raises:
            DataFault: a column is missing, time is irregular, or no series is long enough.
        """
        check_columns(table, [label, time, *spec.series, *spec.known])
        code_N, _ = series_codes(table, spec.series)
        clock = Clock.learn(table.column(time), code_N, f"column '{time}'")
        season = spec.season or clock.season
        year = clock.year // season * season if clock.year > 2 * season else 0
        past = Past(spec.horizon, season, max(2 * season, MIN_LEVEL), year)
        repairs = (spec.gaps, spec.twice, spec.short)
        made = cls(label, time, tuple(spec.series), tuple(spec.known), past, clock, {}, scaled, *repairs)
        scales = {one.name: naive_error(one.y_T[: one.known], season) for one in made.split(made.repaired(table)[0])}
        usual = float(np.nanmean(list(scales.values()))) if not all(map(np.isnan, scales.values())) else 1.0
        told = {name: scale if scale > 0 else usual or 1.0 for name, scale in scales.items()}
        return replace(made, scales=told)

    def repaired(self, table: pa.Table) -> tuple[pa.Table, np.ndarray]:
        """Return rows with gaps and doubles made good, and the row that each is made of; see `repair.repaired`."""
        return repaired(table, self.series, self.time, self.label, self.clock, gaps=self.gaps, twice=self.twice)

    def split(self, table: pa.Table) -> list[Series]:
        """Return the series of a table, checked; see `series.split`."""
        return split(table, self.series, self.time, self.label, self.clock)

    def to_learn(self, table: pa.Table) -> Framed:
        """Return a row for every origin and step whose target is known.

        Raises:
            DataFault: a series is too short, unless those are skipped; no series is long enough.
        """
        table, _ = self.repaired(table)
        series = self.split(table)
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
        return self._framed(table, series, targets)

    def windows(self, table: pa.Table, first_N: np.ndarray) -> Framed:
        """Return a row for each row in the mask `first_N`, in their order: rolling windows of the horizon.

        The first origin is the last row before the mask; after each window its true values are known.

        Raises:
            DataFault: a series has too few values before the mask, unless those are skipped, or rows outside of it
                after its first; or no series is left.
        """
        table, source_N = self.repaired(table)
        first_N = first_N[source_N]
        series, faults = self.split(table), list[Fault]()
        if self.short == "skip":
            series = [one for one in series if _begin(one, first_N) >= self.past.fewest] or series[:1]
        for one in series:
            begins = _begin(one, first_N)
            if begins < one.known and not first_N[one.row_T[begins : one.known]].all():
                faults.append(Fault(self._place(one), "has test rows before training rows", "test on the newest rows"))
            elif begins < min(self.past.fewest, one.known):
                faults += self._too_short(one, begins).faults
        raise_all(DataFault, faults[:MAX_TOLD])

        def targets(one: Series) -> tuple[np.ndarray, np.ndarray]:
            begins = _begin(one, first_N)
            place_n = np.arange(max(0, one.known - begins))
            step_N = place_n % self.past.horizon + 1
            return begins + place_n - step_N, step_N

        framed = self._framed(table, series, targets)
        return taken(framed, np.argsort(framed.row_N, kind="stable"))

    def future(self, table: pa.Table) -> Framed:
        """Return the rows of a forecast: those after the last value of each series, or all steps where none are given.

        Raises:
            DataFault: a series is too short, or has more rows to come than the horizon, or none where columns that are
                known in advance must be told.
        """
        check_columns(table, self.known)
        table, _ = self.repaired(table)
        series, faults = self.split(table), list[Fault]()
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
        raise_all(DataFault, faults[:MAX_TOLD])

        def targets(one: Series) -> tuple[np.ndarray, np.ndarray]:
            step_N = self._steps[: len(one.y_T) - one.known] if self.known else self._steps
            return np.full(len(step_N), one.known - 1), step_N

        return self._framed(table, series, targets)

    def answer(self, framed: Framed, number_N: np.ndarray) -> pa.Table:
        """Return the columns that name a series, its time, and `prediction` in units of the label."""
        columns: dict[str, Any] = {name: framed.table.column(name) for name in self.series}
        columns[self.time] = self.clock.column(framed.origin_N + framed.step_N)
        columns["prediction"] = pa.array(framed.natural(number_N))
        return pa.table(columns)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Framing:
        """Read what `to_json` wrote."""
        told = {"past": Past(**data["past"]), "clock": Clock(**data["clock"])}
        told |= {name: tuple(data[name]) for name in ("series", "known")}
        return cls(**{**data, **told})

    @property
    def _steps(self) -> np.ndarray:
        return np.arange(1, self.past.horizon + 1)

    def _place(self, one: Series) -> str:
        return f"series '{one.name}'" if self.series else "the series"

    def _too_short(self, one: Series, length: int | None = None) -> DataFault:
        length = one.known if length is None else length
        first = self.clock.column(np.array([one.first]))[0].as_py()
        found = (
            f"has {length:,} values from {first} on before its first forecast, more than {self.past.fewest} are needed"
        )
        fix = "give a longer history or a smaller `season`, or leave such series out: `forecast: {short: skip}`"
        return DataFault(Fault(self._place(one), found, fix))

    def _scale(self, one: Series) -> float:
        known = self.scales.get(one.name)
        if known is None:  # a series that is new to the model is measured by the history that comes with it
            known = naive_error(one.y_T[: one.known], self.past.season)
        return known if known > 0 else 1.0

    def _framed(
        self, table: pa.Table, series: Sequence[Series], targets: Callable[[Series], tuple[np.ndarray, np.ndarray]]
    ) -> Framed:
        parts = []
        for place, one in enumerate(series):
            origin_N, step_N = targets(one)
            scale, target_N = self._scale(one), origin_N + step_N
            unit = scale if self.scaled else 1.0
            level_N = self.past.levels(one.y_T, origin_N)
            features = self.past.features(one.y_T, origin_N, step_N)
            features |= self._exact({name: value_N / unit for name, value_N in features.items() if name != "step"})
            features |= self.clock.calendar(one.first + target_N)
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
            )
            parts.append((features, (*numbers, np.full(len(step_N), place))))
        columns = {name: pa.array(np.concatenate([part[0][name] for part in parts])) for name in parts[0][0]}
        told = [np.concatenate([part[1][number] for part in parts]) for number in range(7)]
        made = self._beside(table, columns, told[5], told[6], [one.row_T[0] for one in series])
        origin_N, step_N, level_N, unit_N, scale_N, row_N, series_N = told
        names = tuple(one.name for one in series)
        return Framed(made, origin_N, step_N, level_N, unit_N, scale_N, row_N, series_N, names)

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


FEW_PLACES = 60  # in a season: so many are told apart one by one, more as a number
MIN_LEVEL = 7  # values that a level is the mean of, at least


def _begin(one: Series, first_N: np.ndarray) -> int:
    """Return the position of the first value of a series in the mask, its length where none is."""
    in_mask_n = np.flatnonzero(first_N[one.row_T])
    return int(in_mask_n[0]) if len(in_mask_n) else len(one.row_T)


def taken(framed: Framed, index_n: np.ndarray) -> Framed:
    """Return some rows, in that order."""
    arrays = {name: value[index_n] for name, value in vars(framed).items() if isinstance(value, np.ndarray)}
    return replace(framed, table=framed.table.take(pa.array(index_n)), **arrays)


def naive_error(y_T: np.ndarray, season: int) -> float:
    """Return the mean absolute difference of values one season apart, NaN of fewer values.

    Source: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy", the scale of the MASE.

    Example:
        >>> naive_error(np.array([1.0, 5.0, 2.0, 9.0]), 2)
        2.5
    """
    return float(np.abs(y_T[season:] - y_T[:-season]).mean()) if len(y_T) > season else float("nan")
