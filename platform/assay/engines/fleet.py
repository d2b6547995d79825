"""The only driver of ensembles: runs the jobs that their generators ask for, in parallel actors.

Many generators advance at once; whichever has its round's results takes its next step. Actors hold nothing but views
into the object store, so any of them can do any job.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay import catalog
from assay.batch import Batch
from assay.engines.kept import kept_model
from assay.engines.trial import FIT_ERRORS, algorithm_of, fit_capped
from assay.model import Sealed, loaded
from assay.parts import Call, Ensemble, Evidence, Job, Json, Learned
from assay.seeds import child
from assay.store.runs import Run
from assay.vocabulary import Shelf

MAX_ACTORS = 32  # an experiment has a few dozen jobs at once, and an actor takes a second to start


@dataclass(frozen=True)
class Task:
    """An ensemble to learn, from all rows or, to judge it, from the rows outside one fold."""

    key: str
    params: Json
    without_fold: int | None = None

    @property
    def part(self) -> Ensemble:
        """The ensemble itself."""
        made: Ensemble = catalog.make(Shelf.ENSEMBLES, self.key, self.params)
        return made


@dataclass(frozen=True)
class Refit:
    """A member to fit on all training rows, with what its fits on the folds settled."""

    algorithm: str
    params: Json
    recipe: str
    seed: int
    facts: tuple[Mapping[str, float], ...]
    probe: Batch  # a few rows to predict where it was fitted: what it must predict once it is loaded elsewhere


@dataclass(frozen=True)
class Kept:
    """A member to take up as the models that its trial fitted on the folds."""

    folder: str  # of the run
    trial: int
    algorithm: str
    params: Json
    facts: tuple[Mapping[str, float], ...]  # of each fold
    probe: Batch


@dataclass(frozen=True)
class Refitted:
    """A model of a member: fitted on all training rows, or on those of a fold."""

    params: Json  # the settings that were fitted
    sealed: Sealed
    prediction_nK: np.ndarray  # of the probe


class Worker:
    """What runs in an actor: one job at a time, on views of the shared data.

    References to the data come with each job and not with the constructor, so that a restarted actor needs nothing.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def do(self, task: Task, job: Job, evidence: Sequence[Any]) -> Any:
        """Run one job of an ensemble; what a fit may raise comes back as a `Failure`."""
        import ray

        seen = restricted(ray.get(evidence[0]), task.without_fold)
        try:
            if isinstance(job, Call):
                return job.function(seen, **job.arguments)
            batch = task.part.inputs(seen.prediction_MNK, seen.y_N)
            return fit_capped(algorithm_of(job.algorithm, job.params), batch, job.seed, self.threads)[0]
        except FIT_ERRORS as error:
            return Failure(f"{type(error).__name__}: {str(error)[:500]}")

    def refit(self, order: Refit, batches: Mapping[str, Any]) -> Refitted:
        """Fit a member on all rows."""
        import ray

        batch: Batch = ray.get(batches[order.recipe])
        algorithm = algorithm_of(order.algorithm, order.params).settled(order.facts)
        fitted, _ = fit_capped(algorithm, batch, order.seed, self.threads)
        params = algorithm.params.model_dump(mode="json", exclude_unset=True)
        return Refitted(params, Sealed(dict(fitted.files()), dict(fitted.facts)), fitted.predict(order.probe))

    def take_up(self, order: Kept) -> list[Refitted]:
        """Return the models of a trial's folds, each loaded and asked for the probe."""
        run, algorithm = Run(Path(order.folder)), algorithm_of(order.algorithm, order.params)
        sealed = [kept_model(run, order.trial, fold, dict(facts)) for fold, facts in enumerate(order.facts)]
        return [Refitted(order.params, one, loaded(algorithm, one.content).predict(order.probe)) for one in sealed]


@dataclass(frozen=True)
class Failure:
    """A job that could not be done, and why."""

    reason: str


def restricted(evidence: Evidence, without_fold: int | None) -> Evidence:
    """Return the evidence outside a fold, or all of it."""
    return evidence if without_fold is None else evidence.rows(evidence.fold_N != without_fold)


class Fleet:
    """A few actors that serve many generators."""

    def __init__(self, num_cpus: int, threads: int) -> None:
        import ray

        num_actors = max(1, min(num_cpus // threads, MAX_ACTORS))
        actor = ray.remote(num_cpus=threads, max_restarts=2, max_task_retries=2)(Worker)
        self.workers = [actor.remote(threads) for _ in range(num_actors)]

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the actors go."""
        import ray

        for worker in self.workers:
            ray.kill(worker)

    def learn(self, tasks: Sequence[Task], evidence: Evidence, seed: int) -> list[Learned | Failure]:
        """Drive one generator per task to its end and return what each learned, in order."""
        import ray

        drives = [_Drive(task, restricted(evidence, task.without_fold), child(seed, task.key)) for task in tasks]
        waiting = deque((drive, index) for drive in drives for index in range(len(drive.jobs)))
        self._work(waiting, [ray.put(evidence)])
        return [drive.outcome for drive in drives]

    def _work(self, waiting: deque[tuple[_Drive, int]], evidence: Sequence[Any]) -> None:
        import ray

        idle = list(self.workers)
        running: dict[Any, tuple[_Drive, int, Any]] = {}
        while waiting or running:
            while waiting and idle:
                drive, index = waiting.popleft()
                worker = idle.pop()
                running[worker.do.remote(drive.task, drive.jobs[index], evidence)] = (drive, index, worker)
            (ready,), _ = ray.wait(list(running), num_returns=1)
            drive, index, worker = running.pop(ready)
            idle.append(worker)
            if drive.take(index, ray.get(ready)):
                waiting.extend((drive, index) for index in range(len(drive.jobs)))

    def refit(self, orders: Sequence[Refit], batches: Mapping[str, Any]) -> list[Refitted]:
        """Fit members on all rows, in parallel, and return them in order; `batches` are references."""
        from ray.util import ActorPool

        shared = dict(batches)
        return list(ActorPool(self.workers).map(lambda worker, order: worker.refit.remote(order, shared), list(orders)))

    def take_up(self, orders: Sequence[Kept]) -> list[list[Refitted]]:
        """Return the models that trials kept, in order."""
        from ray.util import ActorPool

        return list(ActorPool(self.workers).map(lambda worker, order: worker.take_up.remote(order), list(orders)))


class _Drive:
    """One generator on its way: the jobs of its round, and their results as they come."""

    def __init__(self, task: Task, evidence: Evidence, seed: int) -> None:
        self.task = task
        self.generator: Generator[Sequence[Job], Sequence[Any], Learned] = task.part.rounds(evidence, seed)
        self.jobs: Sequence[Job] = []
        self.results: dict[int, Any] = {}
        self.outcome: Learned | Failure = Failure("not finished")
        self._advance(None)

    def take(self, index: int, result: Any) -> bool:
        """Take in a result; True when that began a new round."""
        self.results[index] = result
        if isinstance(result, Failure):
            self.outcome, self.jobs = result, []
            return False
        if len(self.results) < len(self.jobs):
            return False
        return self._advance([self.results[index] for index in range(len(self.jobs))])

    def _advance(self, results: Sequence[Any] | None) -> bool:
        try:
            self.jobs = next(self.generator) if results is None else self.generator.send(results)
            while not self.jobs:
                self.jobs = self.generator.send([])
        except StopIteration as end:
            self.outcome, self.jobs = end.value, []
            return False
        self.results = {}
        return True


def predictions_of(task: Task, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
    """Return what an ensemble predicts from the predictions of all members it was given."""
    part = task.part
    used = part.used(learned, len(prediction_MNK))
    return part.combine(learned, prediction_MNK[used])
