"""What a forecast changes in a run: rows framed before all else, what is tried first, and answers in the label's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import catalog
from assay.errors import DataFault, SpecFault
from assay.forecasting.clock import Clock
from assay.forecasting.features import SEASONAL_NAIVE
from assay.forecasting.framing import Framed, Framing
from assay.forecasting.series import check_columns, series_codes
from assay.model import Model
from assay.parts import Json
from assay.proposals import Candidate
from assay.spec import Experiment
from assay.spec.spaces import Integer
from assay.vocabulary import Shelf

CARD = "forecast"  # where a model's card holds the framing
METRICS = ("mase", "mae", "rmse")  # of differences alone: the same for labels told from any level
OF_ABSOLUTE = ("mase", "mae")
# Rows of neighbouring origins are nearly the same, so an inner slice of them would never tell a booster to stop, and
# smooth settings go first. Found on rolling origins inside the training rows of a daily series.
FIRST: Mapping[str, Sequence[Json]] = {
    "extra_trees": ({"min_samples_leaf": 60, "max_features": 0.3},),
    "k_nearest_neighbours": (
        {"num_neighbours": 150, "metric": "manhattan", "weights": "uniform"},
        {"num_neighbours": 200, "weights": "uniform"},
    ),
    "lightgbm": (
        {"num_trees": 200, "learning_rate": 0.04, "num_leaves": 3, "min_child_samples": 100, "feature_fraction": 0.4},
        {"num_trees": 100, "learning_rate": 0.04, "num_leaves": 6, "min_child_samples": 100, "feature_fraction": 0.4},
    ),
    "ridge": ({"alpha": 3000.0}, {"alpha": 1000.0}),
    "svm": ({"C": 0.1, "gamma": 0.003, "epsilon": 0.3}, {"C": 0.03, "epsilon": 0.3}),
}
NUM_TREES = Integer(50, 500, log=True)


@dataclass(frozen=True)
class Frames:
    """The rows of an experiment as a forecast has them."""

    framing: Framing
    train: Framed
    test: Framed


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
    if test is None:
        table, test = _newest_apart(table.select(names), experiment, time)
    check_columns(test, names)
    table, test = table.select(names).combine_chunks(), test.select(names).combine_chunks()
    framing = Framing.learn(table, spec, label, time, scaled=experiment.metric == "mase")
    whole = joined(table, test)
    is_test_N = np.arange(whole.num_rows) >= table.num_rows
    return Frames(framing, framing.to_learn(table), framing.windows(whole, is_test_N))


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


def _newest_apart(table: pa.Table, experiment: Experiment, time: str) -> tuple[pa.Table, pa.Table]:
    """Return the rows before the newest share of all steps of time, and those in it."""
    assert experiment.forecast is not None
    code_N, _ = series_codes(table, experiment.forecast.series)
    place = f"column '{time}'"
    index_N = Clock.learn(table.column(time), code_N, place).index(table.column(time), place)
    num_steps = round(experiment.split.test_fraction * (int(index_N.max()) - int(index_N.min()) + 1))
    newest = pa.array(index_N > index_N.max() - num_steps)
    return table.filter(pc.invert(newest)), table.filter(newest)


def naive_of(table: pa.Table) -> np.ndarray:
    """Return what the seasonal naive forecast says for framed rows, as prediction_NK."""
    found: np.ndarray = table.column(SEASONAL_NAIVE).to_numpy()[:, None]
    return found


def first_tries(candidates: Sequence[Candidate], metric: str) -> tuple[Candidate, ...]:
    """Return the algorithms with what is worth trying first on rows that overlap; settings of the file stay."""
    return tuple(_for_forecasts(candidate, metric) for candidate in candidates)


def _for_forecasts(candidate: Candidate, metric: str) -> Candidate:
    known, fixed = catalog.find(Shelf.ALGORITHMS, candidate.key).Params.model_fields, dict(candidate.fixed)
    if "loss" in known and metric in OF_ABSOLUTE:
        fixed.setdefault("loss", "absolute")
    space = dict(candidate.space)
    start: Json = {}
    if "early_stopping_rounds" in known and not {"early_stopping_rounds", "num_trees"} & set(fixed):
        fixed["early_stopping_rounds"], space["num_trees"], start = 0, NUM_TREES, {"num_trees": 150}
    first = [{**candidate.portfolio[0], **start, **entry, **fixed} for entry in FIRST.get(candidate.key, ({},))]
    space = {name: form for name, form in space.items() if name not in fixed}
    return replace(candidate, fixed=fixed, space=space, portfolio=tuple(first))


def framing_of(model: Model) -> Framing | None:
    """Return how a model frames series; None of a model that does not forecast."""
    told = model.card.get(CARD)
    return None if told is None else Framing.from_json(told)


def forecast(model: Model, framing: Framing, table: pa.Table) -> pa.Table:
    """Return a forecast of each series in a table of its history, and of rows to come without a label.

    Raises:
        DataFault: a gap, a time that is there twice, a history that is too short: with the rows.
    """
    framed = framing.future(table)
    return framing.answer(framed, model.predict(framed.table.drop_columns([framing.label]))[:, 0])


def judged_windows(framing: Framing, table: pa.Table) -> Framed:
    """Return rolling windows over the rows after the first ones that every forecast needs.

    Raises:
        DataFault: the history is too short for one window.
    """
    mask_N = np.zeros(table.num_rows, bool)
    for one in framing.split(table):
        mask_N[one.row_T[framing.past.fewest : one.known]] = True
    return framing.windows(table, mask_N)
