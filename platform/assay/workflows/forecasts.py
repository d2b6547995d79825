"""What a forecast changes in a run: rows framed first, what is tried first, and answers in units of the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import catalog
from assay.errors import DataFault, SpecFault
from assay.forecasting.features import SEASONAL_NAIVE
from assay.forecasting.framing import Framed, Framing, clock_of
from assay.forecasting.series import check_columns, series_codes
from assay.parts import Json
from assay.proposals import Candidate
from assay.seeds import child, row_hash
from assay.spec import Experiment, ForecastSpec
from assay.spec.spaces import Integer
from assay.vocabulary import Shelf

METRICS = ("mase", "mae", "rmse")  # of differences alone: the same for labels told from any level
OF_ABSOLUTE = ("mase", "mae")
NUM_TREES = Integer(50, 500, log=True)


@dataclass(frozen=True)
class Frames:
    """The rows of an experiment as a forecast has them."""

    framing: Framing
    train: Framed
    test: Framed
    recent: pa.Table  # the newest training rows of one series as they were given: what a client sends


def frame(experiment: Experiment, table: pa.Table, test: pa.Table | None) -> Frames:
    """Turn rows of series into rows of forecasts: the test in rolling windows, each with the true values before it.

    Raises:
        SpecFault: the metric does not fit, or no column holds the time.
        DataFault: see `Framing`.
    """
    check(experiment)
    spec, label, time = experiment.forecast, experiment.data.label, experiment.data.time
    assert spec is not None
    assert time is not None
    names = [*spec.series, time, *spec.known, label]
    check_columns(table, names)
    declared = experiment.columns.get(time)
    date_format = (declared.date_format if declared else None) or ""
    if test is None:
        table, test = _newest_apart(table.select(names), spec, experiment.split.test_fraction, time, date_format)
    check_columns(test, names)
    table, test = table.select(names).combine_chunks(), test.select(names).combine_chunks()
    framing = Framing.learn(table, spec, label, time, scaled=experiment.metric == "mase", date_format=date_format)
    whole = joined(table, test)
    is_test_N = np.arange(whole.num_rows) >= table.num_rows
    recent = recent_of(framing, table, child(experiment.seed, "example"))
    return Frames(framing, framing.to_learn(table), framing.windows(whole, is_test_N), recent)


def recent_of(framing: Framing, table: pa.Table, seed: int) -> pa.Table:
    """Return the end of a series chosen by the seed: as much history as a forecast needs twice, the last steps to come.

    Those have no label, as if they had not been yet. No rows where no series is long enough.
    """
    table = framing.repaired(table).table
    horizon, fewest = framing.past.horizon, framing.past.fewest
    long = [one for one in framing.split(table) if one.known >= fewest + horizon]
    if not long:
        return table.slice(0, 0)
    one = long[int(np.argmin(row_hash(np.arange(len(long)), seed)))]
    found = table.take(pa.array(one.row_T[: one.known][-(2 * fewest + horizon) :]))
    label = found.column(framing.label).combine_chunks()
    known = label.slice(0, len(label) - horizon)
    values = pa.concat_arrays([known, pa.nulls(horizon, label.type)])
    return found.set_column(found.column_names.index(framing.label), framing.label, values)


def check(experiment: Experiment) -> None:
    """Check what the file says of a forecast as a whole.

    Raises:
        SpecFault: there is no column of time, another kind or task is asked for, or a metric of another sort.
    """
    if experiment.data.time is None:
        raise SpecFault.at("forecast", "needs a column of time", "write `data: {time: COLUMN}`")
    if experiment.kind not in (None, "tabular") or (experiment.task or "regression") != "regression":
        raise SpecFault.at("forecast", "is of numbers in a table", "leave out `kind` and `task`")
    if experiment.split.name not in (None, "rolling_origin"):
        raise SpecFault.at("split.name", "of a forecast is rolling_origin", "remove the line")
    if experiment.metric not in METRICS:
        raise SpecFault.at("metric", f"'{experiment.metric}' is not for forecasts", f"use one of: {', '.join(METRICS)}")


def joined(table: pa.Table, later: pa.Table) -> pa.Table:
    """Return rows with later ones after them.

    Raises:
        DataFault: a column has another type in the later rows.
    """
    try:
        return pa.concat_tables([table, later], promote_options="permissive").combine_chunks()
    except pa.ArrowInvalid as error:
        raise DataFault.at(
            "test rows", f"have other types than the training rows ({error})", "give both alike"
        ) from None


def _newest_apart(
    table: pa.Table, spec: ForecastSpec, fraction: float, time: str, date_format: str
) -> tuple[pa.Table, pa.Table]:
    """Return the rows before the newest share of all steps of time, and those in it."""
    code_N, _ = series_codes(table, spec.series)
    clock = clock_of(table, spec, time, date_format)
    index_N, _ = clock.index(table.column(time), f"column '{time}'", code_N)
    num_steps = round(fraction * (int(index_N.max()) - int(index_N.min()) + 1))
    newest = pa.array(index_N > index_N.max() - num_steps)
    return table.filter(pc.invert(newest)), table.filter(newest)


def naive_of(table: pa.Table) -> np.ndarray:
    """Return what the seasonal naive forecast says for framed rows, as prediction_NK."""
    found: np.ndarray = table.column(SEASONAL_NAIVE).to_numpy()[:, None]
    return found


def first_tries(candidates: Sequence[Candidate], metric: str) -> tuple[Candidate, ...]:
    """Return the algorithms with what each says is worth trying first on rows that overlap; settings of the file stay.

    No row is set aside to stop a booster: rows of neighbouring origins are nearly the same, it would never be stopped.
    """
    return tuple(_for_forecasts(candidate, metric) for candidate in candidates)


def _for_forecasts(candidate: Candidate, metric: str) -> Candidate:
    part = catalog.find(Shelf.ALGORITHMS, candidate.key)
    known, fixed = part.Params.model_fields, dict(candidate.fixed)
    if "loss" in known and metric in OF_ABSOLUTE:
        fixed.setdefault("loss", "absolute")
    space = dict(candidate.space)
    start: Json = {}
    if "early_stopping_rounds" in known and not {"early_stopping_rounds", "num_trees"} & set(fixed):
        fixed["early_stopping_rounds"], space["num_trees"], start = 0, NUM_TREES, {"num_trees": 150}
    tries: Sequence[Json] = getattr(part, "forecasts", ({},))
    first = [{**candidate.portfolio[0], **start, **entry, **fixed} for entry in tries]
    space = {name: form for name, form in space.items() if name not in fixed}
    return replace(candidate, fixed=fixed, space=space, portfolio=tuple(first))


def forecasters() -> list[str]:
    """Return the algorithms that say what to try first in a forecast: those that "auto" tries."""
    return [key for key in catalog.keys(Shelf.ALGORITHMS) if hasattr(catalog.find(Shelf.ALGORITHMS, key), "forecasts")]
