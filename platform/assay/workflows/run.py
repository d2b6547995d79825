"""The main job: from an experiment to a registered model, and taking it up again where it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from assay import catalog
from assay.engines import cluster, objects
from assay.engines.budget import Budget
from assay.engines.fit_torch import WARM_LAST, WARM_START
from assay.engines.fleet import Driver, Fleet
from assay.engines.generations import FEW_S, USUAL_MEMBERS, Plan, Tell, TrialRecord, not_fitted
from assay.engines.local_fleet import LocalFleet
from assay.engines.search import search
from assay.errors import ClusterFault, SpecFault
from assay.notices import listening
from assay.parts import Json
from assay.spec import Experiment, parse_yaml
from assay.spec.rendering import render
from assay.store.runs import Run, Storage
from assay.store.tracking import Tracking
from assay.vocabulary import Shelf
from assay.workflows import choices, finalize
from assay.workflows.checking import checked
from assay.workflows.combine import Board, judge
from assay.workflows.kept_rows import digest_of, keep_memory, same_rows
from assay.workflows.networks import check_gpus
from assay.workflows.prepare import Prepared, Rows, read_rows, recipe_for
from assay.workflows.ready import Ready, make_ready, settled, slots, training_of
from assay.workflows.register import register
from assay.workflows.warm_start import weights_to_begin_with

# Measured from the end of the search to the proven model, apart from fitting members: starting a process or two that
# import everything, judging ensembles, reading the model back, scoring the test rows.
FINISH_S, FINISH_S_PER_VALUE = 9.0, 1e-6
# Ray Tune lets a fit that must be cut go on for up to 10 s. Kept where the budget is long; a short one has short fits.
CUT_S, LONG_S = 8.0, 120.0
FEW_VALUES = 20_000_000  # of predictions that this process combines sooner than actors


def silent(type: str, data: Json) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Session:
    """What one execution has at hand: where it remembers, whom it tells, and the rows it was given in memory."""

    storage: Storage
    tell: Tell = silent
    memory: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)  # what a time budget counts from
    begun: Callable[[Run], None] = lambda _: None  # is told the run once its folder is there, before it is written


def start(experiment: Experiment, session: Session) -> Json:
    """Run an experiment and return its result (see `assay run --json` in docs/experiment-file.md).

    Nothing is written before the data has been read, divided and profiled without a fault.

    Raises:
        SpecFault, DataFault, ClusterFault, ArtifactFault: see `assay.errors`.
    """
    weights = weights_to_begin_with(experiment, session.storage)
    num_cpus = connect(experiment, session.tell)
    session.tell("reading", {"data": "memory" if session.memory else experiment.data.train})
    warned: list[str] = []
    with listening(warned.append):
        rows = read_rows(experiment, slots(experiment, num_cpus), session.memory)
        experiment = settled(experiment, rows)
        ready = make_ready(experiment, rows, num_cpus)
    run = session.storage.new_run(experiment.experiment)
    with run.lock():
        session.begun(run)
        if weights:
            run.write_arrays(WARM_START if experiment.compute.warm_fits == "all" else WARM_LAST, weights)
        experiment = keep_memory(experiment, session.memory, run)
        run.write_text("spec.yaml", render(experiment))
        run.events.append("run_started", experiment=experiment.experiment, warnings=warned)
        return _execute(run, experiment, ready, num_cpus, session)


def resume(reference: str, session: Session) -> Json:
    """Take up a run that was interrupted; what was finished is not done again. A finished run gives its result.

    Raises:
        SpecFault: no such run.
        ClusterFault: another process is writing it.
        DataFault: the data changed since the run began.
    """
    run = session.storage.open_run(reference)
    if not run.exists("spec.yaml"):
        raise SpecFault.at(
            f"run '{run.id}'", "stopped before it had written what to do", "start it anew: `assay run FILE`"
        )
    if run.exists("result.json") and run.read_json("result.json")["model"] is not None:
        found: Json = run.read_json("result.json")
        return found
    experiment = read_spec(run)
    with run.lock():
        num_cpus = connect(experiment, session.tell)
        session.tell("reading", {"data": experiment.data.train})
        ready = make_ready(experiment, read_rows(experiment, slots(experiment, num_cpus)), num_cpus)
        run.events.append("run_resumed")
        return _execute(run, experiment, ready, num_cpus, session)


def read_spec(run: Run) -> Experiment:
    """Return the experiment of a run."""
    return checked(parse_yaml(run.read_text("spec.yaml"), f"{run.id}/spec.yaml"))


def connect(experiment: Experiment, tell: Tell) -> int:
    """Join or start Ray as the experiment asks; returns the number of CPUs."""
    tell("connecting", {"address": experiment.compute.address or "local"})
    num_cpus = cluster.connect(experiment.compute.address, experiment.compute.cpus)
    if cluster.is_local(experiment.compute.address) and num_cpus < experiment.compute.threads_per_fit:
        raise ClusterFault.at(
            "compute.threads_per_fit",
            f"is {experiment.compute.threads_per_fit}, the cluster has {num_cpus} CPUs",
            "lower it, or give compute.cpus",
        )
    training, threads = training_of(experiment, num_cpus), experiment.compute.threads_per_fit
    if training.held and num_cpus < threads * training.max_workers:
        raise ClusterFault.at(
            "compute.workers_per_fit",
            f"asks for {training.max_workers} workers of {threads} CPUs, the cluster has {num_cpus}",
            "lower it, or give compute.cpus",
        )
    check_gpus(experiment, cluster.num_gpus(), tell)
    return num_cpus


def _execute(run: Run, experiment: Experiment, ready: Ready, num_cpus: int, session: Session) -> Json:
    """Search, combine, fit, test, pack and register, taking up what the run's folder already holds."""
    rows, plan, recipes, batches = ready.rows, ready.plan, ready.recipes, ready.batches
    tell = _logged(run, session.tell)
    same_rows(run, rows)
    budget = budget_of(experiment, run, rows, num_cpus, session.started)
    tracking = Tracking(experiment.register_.tracking_uri, session.storage.root)
    warming = tracking.warming()
    tell("profiled", _profiled(rows))
    refs = {name: objects.put(batch) for name, batch in batches.items()}
    tell("searching", _searching(run, experiment, plan, num_cpus))
    max_concurrent = cluster.max_concurrent(experiment.compute.address, plan.threads)
    records = search(plan, run, refs, tell, budget, max_concurrent)
    tell("searched", {"counted": len(records), "ended": _ends(records)})
    task, batch = rows.profile.label.task, next(iter(batches.values()))
    ensembles = choices.ensembles_for(experiment, rows.profile.label)
    columns = {reads: batches[recipe_for(reads, experiment)].without_pending() for reads in choices.read_by(ensembles)}
    grows = any(catalog.find(Shelf.ENSEMBLES, spec.name).grows for spec in ensembles)
    num_values = len(records) * len(batch) * max(batch.num_classes, 1)
    proving = finalize.prover(records, plan.threads)
    with _crew(experiment, records, grows, num_values) as crew, proving as prover:
        prepared = Prepared(recipes, batches if isinstance(crew.makes, LocalFleet) else refs)
        ground = finalize.ground_for(experiment, plan, rows, prepared, batches)
        board = judge(records, ensembles, run, plan, batch, task, crew.judges, tell, columns, ground)
        num_probes = finalize.probe_rows(rows).num_rows
        chosen = finalize.winner(
            board,
            plan.metric,
            experiment.final.choose,
            lambda found: finalize.in_time(found, board, plan, budget, num_probes),
        )
        shop = finalize.Workshop(experiment, plan, rows, prepared, crew.makes, run, tell)
        built = finalize.build(chosen, board, shop)
        result = _result(run, experiment, rows, plan, board, chosen.name, session)
        result["warnings"] = _warnings(run)
        result["trials"] = {"counted": len(records), **_ends(records)}
        result |= {key: built.model.card[key] for key in ("calibration", "decision")}
        _write_replay(run, experiment, records, chosen.name)
        result["test"] = finalize.pack(built, run, rows, prover, experiment)
    tell("packed", {"folder": str(run.model), "elapsed_s": round(budget.elapsed_s, 3)})
    tell("tested", {"scores": result["test"]})
    warming.join()
    result["model"] = register(experiment, run, tracking, result, tell)
    result["wall_s"] = round(budget.elapsed_s, 2)
    run.write_json("result.json", result)
    tell("finished", {"model": result["model"], "wall_s": result["wall_s"]})
    return result


@dataclass(frozen=True)
class Crew:
    """Who judges ensembles and who fits the members of the model: actors, or this process where that is sooner.

    It changes the speed alone: both give the same bits.
    """

    judges: Driver
    makes: Driver


@contextmanager
def _crew(experiment: Experiment, records: Sequence[TrialRecord], grows: bool, num_values: int) -> Iterator[Crew]:
    """Gather who is needed; actors import their libraries while this process judges."""
    threads, here = experiment.compute.threads_per_fit, LocalFleet(experiment.compute.threads_per_fit)
    fit_s = sorted((record.fit_s for record in records if record.ended == "complete"), reverse=True)
    local = cluster.is_local(experiment.compute.address)
    judges_here = not grows and num_values < FEW_VALUES
    if local and judges_here and sum(fit_s[:USUAL_MEMBERS]) < FEW_S:
        yield Crew(here, here)
        return
    with Fleet(cluster.num_cpus(), threads) as fleet:
        yield Crew(here if judges_here else fleet, fleet)


def budget_of(experiment: Experiment, run: Run, rows: Rows, num_cpus: int, started: float) -> Budget:
    """Return the time that is left to a run; sessions that were interrupted count."""
    used_s = max((event.data.get("elapsed_s", 0.0) for event in run.events.read()), default=0.0)
    finish_s = FINISH_S + FINISH_S_PER_VALUE * rows.train.num_rows * rows.train.num_columns
    total_s = experiment.search.time_budget_s
    finish_s += CUT_S if total_s is not None and total_s >= LONG_S else 0.0
    return Budget(total_s, finish_s, slots(experiment, num_cpus), started, used_s)


def _warnings(run: Run) -> list[str]:
    """Return what was told of the data when the run began."""
    began = next((event for event in run.events.read() if event.type == "run_started"), None)
    found: list[str] = [] if began is None else list(began.data.get("warnings", []))
    return found


def _write_replay(run: Run, experiment: Experiment, records: Sequence[TrialRecord], chosen: str) -> None:
    """Write the file that repeats a run without a time budget: the same trials, the same row finalized."""
    asked = {"trials": len(records), "skip": not_fitted(records), "time_budget_s": None}
    replayed = {
        "search": experiment.search.model_copy(update=asked),
        "final": experiment.final.model_copy(update={"choose": chosen}),
    }
    run.write_text("replay.yaml", render(experiment.model_copy(update=replayed)))


def _logged(run: Run, tell: Tell) -> Tell:
    """Return a `tell` that writes an event first; folds are files of their own, and old news is not written again."""

    def log(type: str, data: Json) -> None:
        if type not in ("fold", "epoch") and not data.get("taken_up"):
            run.events.append(type, **data)
        tell(type, data)

    return log


def _searching(run: Run, experiment: Experiment, plan: Plan, num_cpus: int) -> Json:
    return {
        "run": run.id,
        "trials": plan.num_trials,
        "folds": plan.num_folds,
        "cpus": num_cpus,
        "algorithms": [candidate.key for candidate in plan.candidates],
        "time_budget_s": experiment.search.time_budget_s,
    }


def _result(
    run: Run, experiment: Experiment, rows: Rows, plan: Plan, board: Board, chosen: str, session: Session
) -> Json:
    return {
        "run": run.id,
        "model": None,
        "task": rows.profile.label.task.value,
        "metric": choices.metric_key(experiment, rows.profile.label.task),
        "greater_is_better": plan.metric.greater_is_better,
        "winner": chosen,
        "leaderboard": [entry.to_json() for entry in board.entries],
        "diversity": board.diversity.to_json(),
        "report": None,
        "storage": str(session.storage.root),
        "test_rows": rows.test.num_rows,
        "test_rows_digest": digest_of(rows.test),
    }


def _profiled(rows: Rows) -> Json:
    label = rows.profile.label
    return {
        "train_rows": rows.train.num_rows,
        "test_rows": rows.test.num_rows,
        "task": label.task.value,
        "label": label.name,
        "classes": dict(zip(label.classes, label.class_counts, strict=True)),
        "columns": {column.name: column.kind.value for column in rows.profile.used},
        "dropped": {column.name: column.dropped for column in rows.profile.columns if column.dropped},
        "notes": {column.name: column.note for column in rows.profile.used if column.note},
        "skipped_rows": rows.num_skipped,
    }


def _ends(records: Any) -> dict[str, int]:
    return {
        how: count
        for how in ("complete", "stopped", "failed", "skipped", "cut")
        if (count := sum(record.ended == how for record in records))
    }
