"""What "auto" means: the choices that the experiment file leaves open, made from the task and the data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
from pydantic_core import PydanticUndefined

from assay import catalog
from assay.errors import Fault, SpecFault, raise_all
from assay.parts import Algorithm, Json, Metric
from assay.profile import LabelProfile, Profile
from assay.proposals import Candidate
from assay.spec import Experiment, PartSpec
from assay.spec.spaces import from_yaml
from assay.vocabulary import Shelf, Task
from assay.workflows.forecasts import forecasters

METRIC_OF = {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}
BASELINE = "dummy"
FEW_ROWS, MANY_ROWS = 1_000, 100_000  # below: more folds, as every row counts; above: fewer
STACK_WORK = 3_000_000  # rows x classes squared from which on a meta-learner takes minutes
CLAIM_ROWS = 1_000  # that show what kind of data it is
FEWEST_SHARE = 10  # rows for each that an algorithm with a cap may see
HOLDOUT_ROWS = 50_000  # from which on a holdout of a tenth tells models apart
FEWER_ROWS = 2_000  # the same of images, series and texts, whose fits are long
MOST_NUMBERS = {"raw": math.inf, "codes": 1_024, "dense": 128}  # that steps make of one image or series
USUAL_START_S = 22.0  # of a time budget: starting Ray and its workers, and finishing the model
# Plain ones are hard to beat on few rows; learned weights may draw on every member, since a bad one gets none.
VOTES = (
    PartSpec(name="vote"),
    PartSpec(name="vote", params={"members": 16, "weights": "learned"}),
)
MEANS = (
    PartSpec(name="average"),
    PartSpec(name="average", params={"by": "median"}),
    PartSpec(name="average", params={"members": 16, "weights": "learned"}),
)


def split_key(experiment: Experiment, classes: bool) -> str:
    """Return the split: as asked, else by time, by group, stratified for classes, shuffled for numbers."""
    if experiment.split.name:
        return experiment.split.name
    if experiment.forecast is not None:
        return "rolling_origin"
    if experiment.data.time:
        return "by_time"
    if experiment.data.group:
        return "by_group"
    return "stratified" if classes else "shuffled"


def kind_of(experiment: Experiment, table: pa.Table) -> str:
    """Return the kind of some rows: as asked, else the first that claims them, else tables."""
    if experiment.kind is not None:
        return experiment.kind
    rows = table.slice(0, CLAIM_ROWS)
    claims = (
        key for key in catalog.keys(Shelf.KINDS) if catalog.make(Shelf.KINDS, key).claims(rows, experiment.data.label)
    )
    return next(claims, "tabular")


def division(experiment: Experiment, profile: Profile, num_slots: int) -> tuple[int, int]:
    """Return folds and repeats: as asked, else by the number of rows and by what fits the time budget.

    With a budget, one fit of each strong family on every fold should take a third of the time for fits, so that
    others can follow. Many rows that are too slow even so are judged on a holdout.
    """
    asked = experiment.split
    num_rows = profile.num_rows
    folds = 8 if num_rows < FEW_ROWS else 5 if num_rows < MANY_ROWS else 3
    repeats = 1
    if experiment.search.time_budget_s is not None:
        budget_s = num_slots * max(
            experiment.search.time_budget_s - USUAL_START_S, 0.3 * experiment.search.time_budget_s
        )
        once_s = sum(
            expected_s(spec.name, profile) for spec in algorithms_for(experiment, profile.label.task, num_rows)
        )
        affordable = budget_s / 3 / max(once_s, 1e-3)
        repeats = 2 if num_rows < FEW_ROWS and affordable >= 4 * folds else 1
        if affordable < folds:
            folds = 5 if affordable >= 5 else 3
        enough = HOLDOUT_ROWS if experiment.kind in (None, "tabular") else FEWER_ROWS
        if folds == 3 and affordable < 3 and num_rows >= enough:
            folds = 1
    folds = folds if asked.folds == "auto" else asked.folds
    usual = asked.folds == "auto" and split_may_repeat(experiment)
    return folds, (repeats if usual else 1) if asked.repeats == "auto" else asked.repeats


def split_may_repeat(experiment: Experiment) -> bool:
    """Whether dividing the rows again gives other folds; time leaves nothing to chance."""
    return experiment.split.name != "by_time" and experiment.data.time is None


def expected_s(key: str, profile: Profile) -> float:
    """Return the seconds that a fit on the training rows may take, before anything was measured."""
    part: type[Algorithm] = catalog.find(Shelf.ALGORITHMS, key)
    most = MOST_NUMBERS[part.wants]
    num_features = int(sum(min(math.prod(column.shape), most) for column in profile.used))
    return part.cost_of(profile.num_rows, num_features, len(profile.label.classes))


def final_fit(experiment: Experiment, num_folds: int, num_rows: int) -> str:
    """Return how members are finished: as asked, else fitted on all rows, and kept as they are after a holdout.

    A holdout is the sign of many rows: the tenth that a last fit would add is not worth the time of the whole search.
    Few times may leave one fold too; then every row counts.
    """
    if experiment.final.fit != "auto":
        return experiment.final.fit
    short = experiment.data.time is not None and num_rows < HOLDOUT_ROWS
    return "folds" if num_folds == 1 and not short else "all_rows"


def metric_for(experiment: Experiment, task: Task) -> Metric:
    """Return the metric: as asked, else roc_auc, log_loss or rmse by task.

    Raises:
        SpecFault: the metric is not for this task.
    """
    key = experiment.metric or METRIC_OF[task]
    metric: Metric = catalog.make(Shelf.METRICS, key)
    if task not in metric.tasks or (getattr(metric, "of_forecasts", False) and experiment.forecast is None):
        fitting = [name for name in catalog.keys(Shelf.METRICS) if task in catalog.find(Shelf.METRICS, name).tasks]
        raise SpecFault.at("metric", f"'{key}' is not for the task {task}", f"use one of: {', '.join(fitting)}")
    return metric


def metric_part(key: str) -> Metric:
    """Return a metric by its key."""
    found: Metric = catalog.make(Shelf.METRICS, key)
    return found


def metric_key(experiment: Experiment, task: Task) -> str:
    """Return the key of the metric."""
    return experiment.metric or METRIC_OF[task]


def algorithms_for(experiment: Experiment, task: Task, num_rows: int = 0) -> list[PartSpec]:
    """Return what the search may try: as asked, else every algorithm of the shelf that fits and is installed.

    One that would see less than a tenth of the rows is left to those who ask for it.

    Raises:
        SpecFault: an algorithm that is asked for does not fit the task or kind, or is not installed.
    """
    kind = experiment.kind or "tabular"
    if experiment.algorithms == "auto":
        return [
            PartSpec(name=key)
            for key in (catalog.keys(Shelf.ALGORITHMS) if experiment.forecast is None else forecasters())
            if key != BASELINE and not getattr(catalog.find(Shelf.ALGORITHMS, key), "asked", False)
            if not _hindrance(catalog.find(Shelf.ALGORITHMS, key), task, kind)
            if num_rows <= FEWEST_SHARE * (catalog.find(Shelf.ALGORITHMS, key).row_cap or math.inf)
            if experiment.class_weight == "none" or catalog.find(Shelf.ALGORITHMS, key).weighable
        ]
    hindrances = [
        (index, spec, _hindrance(catalog.find(Shelf.ALGORITHMS, spec.name), task, kind))
        for index, spec in enumerate(experiment.algorithms)
    ]
    raise_all(
        SpecFault,
        [Fault(f"algorithms[{index}]", f"'{spec.name}' {why[0]}", why[1]) for index, spec, why in hindrances if why],
    )
    return list(experiment.algorithms)


def _hindrance(algorithm: type[Algorithm], task: Task, kind: str) -> tuple[str, str] | None:
    """Return why an algorithm cannot be tried, and what helps."""
    if task not in algorithm.tasks or kind not in algorithm.kinds:
        return f"is not for {task} on {kind} data", "see `assay parts algorithms`"
    if algorithm.optional and find_spec(algorithm.optional) is None:
        return f"needs the package {algorithm.optional}", "pip install 'assay[boosters]', or leave it out"
    return None


def ensembles_for(experiment: Experiment, label: LabelProfile) -> list[PartSpec]:
    """Return the ensembles to judge: as asked, else every way that fits the task and ends in seconds.

    Raises:
        SpecFault: an ensemble that is asked for does not fit the task.
    """
    task = label.task
    if experiment.ensembles == "auto":
        plain = [*(VOTES if task.is_classification else MEANS), PartSpec(name="greedy")]
        work = sum(label.class_counts) * len(label.classes) ** 2
        return plain if work > STACK_WORK else [*plain, PartSpec(name="stack")]
    faults = [
        Fault(f"ensembles[{index}]", f"'{spec.name}' is not for the task {task}", "see `assay parts ensembles`")
        for index, spec in enumerate(experiment.ensembles)
        if task not in catalog.find(Shelf.ENSEMBLES, spec.name).tasks
    ]
    raise_all(SpecFault, faults)
    raise_all(SpecFault, _learner_faults(experiment.ensembles, task))
    return list(experiment.ensembles)


def _learner_faults(ensembles: Sequence[PartSpec], task: Task) -> Iterator[Fault]:
    for index, spec in enumerate(ensembles):
        try:
            catalog.make(Shelf.ENSEMBLES, spec.name, spec.params).learners(task)
        except SpecFault as error:
            yield from (replace(fault, place=f"ensembles[{index}].{fault.place}") for fault in error.faults)


def learners_for(experiment: Experiment, label: LabelProfile) -> list[str]:
    """Return the algorithms that ensembles name as learners of members, which need not be among the trials."""
    parts = [catalog.make(Shelf.ENSEMBLES, spec.name, spec.params) for spec in ensembles_for(experiment, label)]
    return sorted({key for part in parts for key in part.learners(label.task)})


def read_by(ensembles: list[PartSpec]) -> set[str]:
    """Return what columns these ensembles read beside predictions, as algorithms want them."""
    return {catalog.make(Shelf.ENSEMBLES, spec.name, spec.params).reads for spec in ensembles} - {""}


def candidates_for(
    algorithms: list[PartSpec], profile: Profile, *, hurried: bool = False, kind: str = "tabular"
) -> tuple[Candidate, ...]:
    """Return the algorithms as a search sees them: what is fixed, what may be drawn, what to try first."""
    return tuple(_candidate(spec, expected_s(spec.name, profile), hurried, kind) for spec in algorithms)


def _is_strong(part: type[Algorithm], kind: str) -> bool:
    """Whether an algorithm is among the first to try: one that wins tables, or is made for rows of this kind."""
    return part.strong if kind == "tabular" else "tabular" not in part.kinds


def _candidate(spec: PartSpec, cost_s: float, hurried: bool, kind: str) -> Candidate:
    part: type[Algorithm] = catalog.find(Shelf.ALGORITHMS, spec.name)
    space = {name: from_yaml(form) for name, form in spec.space.items()} if spec.space else dict(part.space)
    space = {name: form for name, form in space.items() if name not in spec.params}
    defaults = _defaults(part)
    start = {name: defaults[name] for name in space if name in defaults}
    portfolio: list[Json] = []
    for entry in [part.hurried, *part.portfolio] if hurried and part.hurried else part.portfolio:
        filled = {**start, **entry, **spec.params}
        if filled not in portfolio:
            portfolio.append(filled)
    return Candidate(spec.name, dict(spec.params), space, tuple(portfolio), cost_s, _is_strong(part, kind))


def _defaults(part: type[Algorithm]) -> dict[str, Any]:
    fields = part.Params.model_fields
    return {name: info.default for name, info in fields.items() if info.default is not PydanticUndefined}
