"""The champion's recipe as an experiment on other rows: its settings first, its weights, its columns and classes."""

from __future__ import annotations

from assay.engines.search import is_network
from assay.errors import SpecFault
from assay.model import Model
from assay.parts import Json
from assay.spec import ColumnSpec, Experiment
from assay.training.files import WEIGHTS
from assay.vocabulary import Task
from assay.workflows import choices
from assay.workflows.warm_start import settings_of


def refuse_other_rows(name: str, experiment: Experiment) -> None:
    """Refuse recipes whose rows are not rows of a file.

    Raises:
        SpecFault: the model forecasts, or joins the steps of a long table.
    """
    joins = "forecasts" if experiment.forecast is not None else "joins steps to series" if experiment.series else ""
    if joins:
        raise SpecFault.at(
            f"model '{name}'", f"{joins}, and retraining takes rows one by one",
            "run its file on old and new values together: `assay run FILE`, then `assay promote`",
        )  # fmt: skip


def recipe_again(
    experiment: Experiment, model: Model, result: Json, name: str, version: int, classes: set[str], num_rows: int
) -> Experiment:
    """Return the experiment that fits a challenger; it registers it and promotes nothing.

    What was inferred of the champion's columns and label stays as it was, so that both answer the same requests.
    `classes` are those of the rows that teach, empty for numbers; `num_rows` how many there are.
    """
    label, search = model.profile.label, experiment.search
    more = model.task is Task.BINARY and bool(classes - set(model.classes))
    task = Task.MULTICLASS if more else model.task
    positive = model.classes[-1] if task is Task.BINARY and model.classes[-1] in classes else None
    experiment = experiment.model_copy(update={"task": task, "metric": model.card.get("metric")})
    known = [spec.name for spec in choices.algorithms_for(experiment, task, num_rows)]
    first = settings_of(result, known, min(experiment.retrain.max_first, search.trials // 2))
    lends = any(is_network(one.algorithm) and WEIGHTS in one.fitted.files() for one in model.members)
    warm = f"{name}/{version}" if lends else None
    asked = {
        "data": experiment.data.model_copy(update={"positive": positive, "label": label.name}),
        "columns": _columns(experiment, model),
        "search": search.model_copy(update={"first": first, "skip": []}),
        "final": experiment.final.model_copy(update={"choose": None}),
        "compute": experiment.compute.model_copy(update={"warm_start": warm, "warm_fits": "last"}),
        "register_": experiment.register_.model_copy(update={"name": name, "promote": "never"}),
    }
    return experiment.model_copy(update=asked)


def _columns(experiment: Experiment, model: Model) -> dict[str, ColumnSpec]:
    """Return what the file says of columns, with what was inferred of the others."""
    if experiment.kind not in (None, "tabular"):
        return dict(experiment.columns)
    told = dict(experiment.columns)
    for column in model.profile.columns:
        said = told.get(column.name, ColumnSpec())
        found = {"drop": True} if column.dropped else {"kind": said.kind or column.kind}
        told[column.name] = said.model_copy(update=found)
    return told
