"""The driver of ensembles in a run: does the jobs that their generators ask for, in parallel actors.

Many generators advance at once; whichever has its round's results takes its next step. Actors hold nothing but views
into the object store, so any of them can do any job.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from assay import catalog
from assay.batch import Batch
from assay.engines.trial import FIT_ERRORS, algorithm_of, fit_capped
from assay.model import Sealed
from assay.parts import Call, Ensemble, Evidence, Job, Json, Learned
from assay.seeds import child
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
class Refitted:
    """A member that was fitted on all training rows."""

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
        from threadpoolctl import threadpool_limits

        seen = restricted(ray.get(evidence[0]), task.without_fold)
        with threadpool_limits(1):  # a fit raises it to its share; sums over more threads have other last bits
            return done(task, job, seen, self.threads)

    def refit(self, order: Refit, batches: Mapping[str, Any]) -> Refitted:
        """Fit a member on all rows."""
        import ray

        batch: Batch = ray.get(batches[order.recipe])
        algorithm = algorithm_of(order.algorithm, order.params).settled(order.facts)
        fitted, _ = fit_capped(algorithm, batch, order.seed, self.threads)
        params = algorithm.params.model_dump(mode="json", exclude_unset=True)
        return Refitted(params, Sealed(dict(fitted.files()), dict(fitted.facts)), fitted.predict(order.probe))


@dataclass(frozen=True)
class Failure:
    """A job that could not be done, and why."""

    reason: str


def done(task: Task, job: Job, seen: Evidence, threads: int) -> Any:
    """Do a job of an ensemble, a fit with so many threads; what a fit may raise comes back as a `Failure`."""
    try:
        if isinstance(job, Call):
            return job.function(seen, **job.arguments)
        batch = task.part.inputs(seen.prediction_MNK, seen.y_N)
        return fit_capped(algorithm_of(job.algorithm, job.params), batch, job.seed, threads)[0]
    except FIT_ERRORS as error:
        return Failure(f"{type(error).__name__}: {str(error)[:500]}")


def restricted(evidence: Evidence, without_fold: int | None) -> Evidence:
    """Return the evidence outside a fold, or all of it."""
    return evidence if without_fold is None else evidence.rows(evidence.fold_N != without_fold)


class Driver(Protocol):
    """Drives the generators of ensembles to their ends."""

    def learn(self, tasks: Sequence[Task], evidence: Evidence, seed: int) -> list[Learned | Failure]:
        """Return what each task learned, in order."""


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

        drives = begun(tasks, evidence, seed)
        waiting = deque((drive, index) for drive in drives for index in range(len(drive.jobs)))
        self._work(waiting, [ray.put(evidence)])
        return [drive.outcome for drive in drives]

    def _work(self, waiting: deque[tuple[Drive, int]], evidence: Sequence[Any]) -> None:
        import ray

        idle = list(self.workers)
        running: dict[Any, tuple[Drive, int, Any]] = {}
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


def begun(tasks: Sequence[Task], evidence: Evidence, seed: int) -> list[Drive]:
    """Return one generator per task, each at its first round; those that leave out the same fold share its rows."""
    seen = {fold: restricted(evidence, fold) for fold in {task.without_fold for task in tasks}}
    return [Drive(task, seen[task.without_fold], child(seed, task.key)) for task in tasks]


class Drive:
    """One generator on its way: the jobs of its round, and their results as they come."""

    def __init__(self, task: Task, evidence: Evidence, seed: int) -> None:
        self.task, self.evidence = task, evidence
        self.generator: Generator[Sequence[Job], Sequence[Any], Learned] = task.part.rounds(evidence, seed)
        self.jobs: Sequence[Job] = []
        self.results: dict[int, Any] = {}
        self.outcome: Learned | Failure = Failure("not finished")
        self._advance(None)

    def take(self, index: int, result: Any) -> bool:
        """Take in a result; True when that began a new round."""
        if not self.jobs:  # a job of the same round failed before
            return False
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


def predictions_of(task: Task, learned: Learned, rows: Evidence) -> np.ndarray:
    """Return what an ensemble predicts for rows of which it is given what all its members said."""
    part = task.part
    used = part.used(learned, len(rows.names))
    return part.combine_rows(learned, rows.prediction_MNK[used], rows.columns.get(part.reads))
