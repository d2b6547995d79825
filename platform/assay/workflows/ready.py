"""From divided rows to all that a search needs; a run does it before it writes anything, and `assay plan` alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assay import catalog
from assay.batch import Batch
from assay.engines import cluster
from assay.engines.fit_torch import START_S, Training
from assay.engines.generations import Plan
from assay.engines.search import is_network
from assay.notices import notice
from assay.profile import Profile
from assay.recipe import Recipe
from assay.seeds import child
from assay.spec import Experiment
from assay.vocabulary import Shelf
from assay.workflows import choices
from assay.workflows.forecasts import first_tries, naive_of
from assay.workflows.imbalance import check_weights
from assay.workflows.leaks import copies_of_label
from assay.workflows.networks import check_networks, gpu_slots
from assay.workflows.prepare import Rows, make_batches, recipe_for
from assay.workflows.settle import check_answers
from assay.workflows.warm_start import tried_first


def slots(experiment: Experiment, num_cpus: int) -> int:
    """Return how many fits run at once."""
    return max(1, num_cpus // experiment.compute.threads_per_fit)


def settled(experiment: Experiment, rows: Rows) -> Experiment:
    """Return the experiment with what was left to the data and the time budget: what is written down and repeated."""
    found = {"folds": rows.folds.per_repeat, "repeats": len(rows.folds.fold_RN)}
    final = {"fit": choices.final_fit(experiment, rows.folds.num, rows.profile.num_rows)}
    return experiment.model_copy(
        update={
            "kind": rows.kind,
            "split": experiment.split.model_copy(update=found),
            "final": experiment.final.model_copy(update=final),
        }
    )


def training_of(experiment: Experiment, num_cpus: int) -> Training:
    """Return what networks are trained with; on a Ray of fixed size as many workers of those asked for as fit."""
    compute, local = experiment.compute, cluster.is_local(experiment.compute.address)
    asked = compute.workers_per_fit
    fewest, most = (asked, asked) if isinstance(asked, int) else asked
    if local:
        most = max(fewest, min(most, num_cpus // compute.threads_per_fit, gpu_slots(experiment)))
    return Training(fewest, most, compute.gpus_per_fit, compute.precision, compute.compile, compute.checkpoint_s, local)


def check_parts(experiment: Experiment, profile: Profile) -> None:
    """Check what can be checked only once the task is known."""
    task = profile.label.task
    check_answers(experiment, profile.label)
    check_weights(experiment, profile.label)
    choices.metric_for(experiment, task)
    choices.ensembles_for(experiment, profile.label)
    choices.algorithms_for(experiment, task)


@dataclass(frozen=True)
class Ready:
    """All that the data and the file can be at fault for is behind: what the search needs, in memory."""

    rows: Rows
    plan: Plan
    recipes: Mapping[str, Recipe]
    batches: Mapping[str, Batch]


def make_ready(experiment: Experiment, rows: Rows, num_cpus: int) -> Ready:
    """Turn rows into what the search needs; nothing is written yet. Columns that may copy the label are told.

    Raises:
        SpecFault: a part does not fit the task.
        DataFault: a value cannot be read as its column's kind, or no step reads a column.
    """
    check_parts(experiment, rows.profile)
    plan = make_plan(experiment, rows, num_cpus)
    if rows.kind == "tabular" and rows.frames is None:
        for found in copies_of_label(rows.train, rows.profile):
            notice(found)
    read = choices.read_by(choices.ensembles_for(experiment, rows.profile.label))
    recipes, batches = make_batches(experiment, rows, sorted(_wanted(plan) | read))
    check_networks(plan, batches)
    return Ready(rows, plan, recipes, batches)


def make_plan(experiment: Experiment, rows: Rows, num_cpus: int = 1) -> Plan:
    """Return what the search needs to know."""
    task = rows.profile.label.task
    algorithms = choices.algorithms_for(experiment, task, rows.profile.num_rows)
    candidates = choices.candidates_for(algorithms, rows.profile, hurried=rows.folds.num == 1, kind=rows.kind)
    if rows.frames is not None:
        candidates = first_tries(candidates, choices.metric_key(experiment, task))
    first, candidates = tried_first(experiment.search.first, candidates)
    fitted = [candidate.key for candidate in candidates] + choices.learners_for(experiment, rows.profile.label)
    training = training_of(experiment, num_cpus)
    recipe_of = {key: recipe_for(catalog.find(Shelf.ALGORITHMS, key).wants, experiment) for key in fitted}
    return Plan(
        candidates,
        recipe_of,
        catalog.make(Shelf.SEARCHES, experiment.search.name, experiment.search.params),
        choices.metric_for(experiment, task),
        rows.folds,
        experiment.search.trials,
        experiment.search.generation,
        experiment.compute.threads_per_fit,
        child(experiment.seed, "run"),
        frozenset(experiment.search.skip),
        experiment.final.fit == "folds",
        {candidate.key: _expected_s(candidate.key, rows, training) for candidate in candidates},
        training,
        first,
        None if rows.frames is None else naive_of(rows.train),
    )


def _expected_s(key: str, rows: Rows, training: Training) -> float:
    alone_s = choices.expected_s(key, rows.profile)
    return START_S + alone_s / training.max_workers if training.is_wide and is_network(key) else alone_s


def _wanted(plan: Plan) -> set[str]:
    return {catalog.find(Shelf.ALGORITHMS, key).wants for key in plan.recipe_of}
