"""What "auto" means: the choices that the experiment file leaves open, made from the task and the data."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from pydantic_core import PydanticUndefined

from assay import catalog
from assay.errors import Fault, SpecFault, raise_all
from assay.parts import Algorithm, Candidate, Json, Metric
from assay.spec import Experiment, PartSpec
from assay.spec.spaces import from_yaml
from assay.vocabulary import Shelf, Task

METRIC_OF = {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}
BASELINE = "dummy"


def split_key(experiment: Experiment, classes: bool) -> str:
    """Return the split: as asked, else by time, by group, stratified for classes, shuffled for numbers."""
    if experiment.split.name:
        return experiment.split.name
    if experiment.data.time:
        return "by_time"
    if experiment.data.group:
        return "by_group"
    return "stratified" if classes else "shuffled"


def metric_for(experiment: Experiment, task: Task) -> Metric:
    """Return the metric: as asked, else roc_auc, log_loss or rmse by task.

    Raises:
        SpecFault: the metric is not for this task.
    """
    key = experiment.metric or METRIC_OF[task]
    metric: Metric = catalog.make(Shelf.METRICS, key)
    if task not in metric.tasks:
        fitting = [name for name in catalog.keys(Shelf.METRICS) if task in catalog.find(Shelf.METRICS, name).tasks]
        raise SpecFault.at("metric", f"'{key}' is not for the task {task}", f"use one of: {', '.join(fitting)}")
    return metric


def metric_key(experiment: Experiment, task: Task) -> str:
    """Return the key of the metric."""
    return experiment.metric or METRIC_OF[task]


def algorithms_for(experiment: Experiment, task: Task) -> list[PartSpec]:
    """Return what the search may try: as asked, else every algorithm of the shelf that fits and is installed.

    Raises:
        SpecFault: an algorithm that is asked for does not fit the task or kind, or is not installed.
    """
    kind = experiment.kind or "tabular"
    if experiment.algorithms == "auto":
        return [
            PartSpec(name=key)
            for key in catalog.keys(Shelf.ALGORITHMS)
            if key != BASELINE and not _hindrance(catalog.find(Shelf.ALGORITHMS, key), task, kind)
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


def ensembles_for(experiment: Experiment, task: Task) -> list[PartSpec]:
    """Return the ensembles to judge: as asked, else every way that fits the task.

    Raises:
        SpecFault: an ensemble that is asked for does not fit the task.
    """
    if experiment.ensembles == "auto":
        classes = [PartSpec(name="vote", params={"voting": "hard"}), PartSpec(name="vote", params={"voting": "soft"})]
        numbers = [PartSpec(name="average"), PartSpec(name="average", params={"by": "median"})]
        return [*(classes if task.is_classification else numbers), PartSpec(name="greedy"), PartSpec(name="stack")]
    faults = [
        Fault(f"ensembles[{index}]", f"'{spec.name}' is not for the task {task}", "see `assay parts ensembles`")
        for index, spec in enumerate(experiment.ensembles)
        if task not in catalog.find(Shelf.ENSEMBLES, spec.name).tasks
    ]
    raise_all(SpecFault, faults)
    return list(experiment.ensembles)


def candidates_for(algorithms: list[PartSpec]) -> tuple[Candidate, ...]:
    """Return the algorithms as a search sees them: what is fixed, what may be drawn, what to try first."""
    return tuple(_candidate(spec) for spec in algorithms)


def _candidate(spec: PartSpec) -> Candidate:
    part: type[Algorithm] = catalog.find(Shelf.ALGORITHMS, spec.name)
    space = {name: from_yaml(form) for name, form in spec.space.items()} if spec.space else dict(part.space)
    space = {name: form for name, form in space.items() if name not in spec.params}
    defaults = _defaults(part)
    start = {name: defaults[name] for name in space if name in defaults}
    portfolio: list[Json] = []
    for entry in part.portfolio:
        filled = {**start, **entry, **spec.params}
        if filled not in portfolio:
            portfolio.append(filled)
    return Candidate(spec.name, dict(spec.params), space, tuple(portfolio), part.cost)


def _defaults(part: type[Algorithm]) -> dict[str, Any]:
    fields = part.Params.model_fields
    return {name: info.default for name, info in fields.items() if info.default is not PydanticUndefined}
