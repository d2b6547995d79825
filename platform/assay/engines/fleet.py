"""The driver of ensembles in a run: does the jobs that their generators ask for, in parallel actors.

Many generators advance at once; whichever has its round's results takes its next step. Actors hold nothing but views
into the object store, so any of them can do any job. Nothing is written: a run that is taken up learns its ensembles
and grows their members again, to the same bits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from assay import catalog
from assay.batch import Batch
from assay.engines.growing import Ground, grow
from assay.engines.kept import Sealed, kept_model
from assay.engines.trial import FIT_ERRORS, Bench, algorithm_of, fit_capped
from assay.fitting import loaded
from assay.parts import Call, Ensemble, Evidence, Grow, Grown, Job, Json, Learned
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
    bench: Bench | None = None  # of a network

    @property
    def is_wide(self) -> bool:
        """Whether it is fitted by several workers, or on a GPU: one at a time, on what the others leave free."""
        return self.bench is not None and (self.bench.training.is_wide or self.bench.training.gpus > 0)


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

    def do(self, task: Task, job: Job, shared: Sequence[Any]) -> Any:
        """Run one job of an ensemble; `shared` are references to the evidence and the ground."""
        import ray
        from threadpoolctl import threadpool_limits

        evidence, ground = ray.get(list(shared))
        with threadpool_limits(1):  # a fit raises it to its share; sums over more threads have other last bits
            if isinstance(job, Grow):
                assert ground is not None, f"{task.key} grows, and was given no rows"
                return done(task, job, evidence, self.threads, ground, ray.get(ground.batch(job.algorithm)))
            return done(task, job, evidence_for(task, evidence, ground), self.threads)

    def refit(self, order: Refit, batches: Mapping[str, Any]) -> Refitted:
        """Fit a member on all rows."""
        import ray

        return refitted(order, ray.get(batches[order.recipe]), self.threads)

    def take_up(self, order: Kept) -> list[Refitted]:
        """Return the models of a trial's folds."""
        return taken_up(order)

    def is_up(self) -> bool:
        """Return once there is a process that can be asked."""
        return True


@dataclass(frozen=True)
class Failure:
    """A job that could not be done, and why."""

    reason: str


def refitted(order: Refit, batch: Batch, threads: int) -> Refitted:
    """Fit a member on all rows, and ask it for the probe."""
    algorithm = algorithm_of(order.algorithm, order.params).settled(order.facts)
    fitted, _ = fit_capped(algorithm, batch, order.seed, threads, order.bench)
    if order.bench is not None:
        order.bench.place.forget()
    params = algorithm.params.model_dump(mode="json", exclude_unset=True)
    return Refitted(params, Sealed(dict(fitted.files()), dict(fitted.facts)), fitted.predict(order.probe))


def taken_up(order: Kept) -> list[Refitted]:
    """Return the models of a trial's folds, each loaded and asked for the probe."""
    run, algorithm = Run(Path(order.folder)), algorithm_of(order.algorithm, order.params)
    sealed = [kept_model(run, order.trial, fold, dict(facts)) for fold, facts in enumerate(order.facts)]
    return [Refitted(order.params, one, loaded(algorithm, one.content).predict(order.probe)) for one in sealed]


def done(
    task: Task, job: Job, seen: Evidence, threads: int, ground: Ground | None = None, batch: Batch | None = None
) -> Any:
    """Do a job of an ensemble with so many threads; what a fit may raise comes back as a `Failure`.

    `ground` and `batch` are for `Grow` jobs, the evidence `seen` for the others.
    """
    try:
        if isinstance(job, Grow):
            assert ground is not None, f"{task.key} grows, and was given no rows"
            assert batch is not None
            return grow(job, ground, batch, task.without_fold, threads)
        if isinstance(job, Call):
            return job.function(seen, **job.arguments)
        inputs = task.part.inputs(seen.prediction_MNK, seen.y_N)
        return fit_capped(algorithm_of(job.algorithm, job.params), inputs, job.seed, threads)[0]
    except FIT_ERRORS as error:
        return Failure(f"{type(error).__name__}: {str(error)[:500]}")


def evidence_for(task: Task, evidence: Evidence, ground: Ground | None) -> Evidence:
    """Return what the ensemble of a task may learn from."""
    if task.part.grows:
        assert ground is not None, f"{task.key} grows, and was given no rows"
        return ground.evidence(evidence, task.without_fold)
    return evidence if task.without_fold is None else evidence.rows(evidence.fold_N != task.without_fold)


class Driver(Protocol):
    """Drives the generators of ensembles to their ends, and makes the members of a model."""

    def learn(
        self, tasks: Sequence[Task], evidence: Evidence, seed: int, ground: Ground | None = None
    ) -> list[Learned | Failure]:
        """Return what each task learned, in order; `ground` is for ensembles that grow."""

    def refit(self, orders: Sequence[Refit], batches: Mapping[str, Any]) -> list[Refitted]:
        """Fit members on all rows, and return them in order."""

    def take_up(self, orders: Sequence[Kept]) -> list[list[Refitted]]:
        """Return the models that trials kept, in order."""


class Fleet:
    """A few actors that serve many generators.

    There are as many as the cluster has CPUs for when it is empty. Where others use some of them, actors wait to be
    placed, maybe for as long as a server runs; so only those that are up are given work.
    """

    def __init__(self, num_cpus: int, threads: int) -> None:
        import ray

        num_actors = max(1, min(num_cpus // threads, MAX_ACTORS))
        actor = ray.remote(num_cpus=threads, max_restarts=2, max_task_retries=2)(Worker)
        self.workers = [actor.remote(threads) for _ in range(num_actors)]
        self._coming = {worker.is_up.remote(): worker for worker in self.workers}
        self._idle: list[Any] = []  # up, and without work

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the actors go."""
        import ray

        for worker in self.workers:
            ray.kill(worker)

    def learn(
        self, tasks: Sequence[Task], evidence: Evidence, seed: int, ground: Ground | None = None
    ) -> list[Learned | Failure]:
        """Drive one generator per task to its end and return what each learned, in order.

        `ground`, with references to batches, is for ensembles that grow.
        """
        import ray

        drives = begun(tasks, evidence, seed, ground)
        waiting = deque((drive, index) for drive in drives for index in range(len(drive.jobs)))
        self._work(waiting, [ray.put(evidence), ray.put(ground)])
        return [drive.outcome for drive in drives]

    def _work(self, waiting: deque[tuple[Drive, int]], shared: Sequence[Any]) -> None:
        import ray

        running: dict[Any, tuple[Drive, int, Any]] = {}
        while waiting or running:
            while waiting and self._idle:
                drive, index = waiting.popleft()
                if not drive.ended:  # by another job of its round, which failed
                    worker = self._idle.pop()
                    running[worker.do.remote(drive.task, drive.jobs[index], shared)] = (drive, index, worker)
            ready = self._next(running) if waiting or running else None
            if ready is None:
                continue
            drive, index, worker = running.pop(ready)
            self._idle.append(worker)
            if drive.take(index, ray.get(ready)):
                waiting.extend((drive, index) for index in range(len(drive.jobs)))

    def _next(self, running: Mapping[Any, object]) -> Any | None:
        """Wait for something to be done and return it; None when it is a worker that came up."""
        import ray

        (ready,), _ = ray.wait([*running, *self._coming], num_returns=1)
        if ready not in self._coming:
            return ready
        ray.get(ready)  # says why, where it could not come up
        self._idle.append(self._coming.pop(ready))
        return None

    def _spread(self, ask: Callable[[Any, Any], Any], orders: Sequence[Any], at_once: int = MAX_ACTORS) -> list[Any]:
        """Return what workers answer to `ask(worker, order)`, in order; `at_once` are asked at a time."""
        import ray

        waiting, running = deque(enumerate(orders)), dict[Any, tuple[int, Any]]()
        answers: dict[int, Any] = {}
        while waiting or running:
            while waiting and self._idle and len(running) < at_once:
                index, order = waiting.popleft()
                worker = self._idle.pop()
                running[ask(worker, order)] = (index, worker)
            if (ready := self._next(running)) is not None:
                index, worker = running.pop(ready)
                self._idle.append(worker)
                answers[index] = ray.get(ready)
        return [answers[index] for index in range(len(orders))]

    def refit(self, orders: Sequence[Refit], batches: Mapping[str, Any]) -> list[Refitted]:
        """Fit members on all rows, in parallel, and return them in order; `batches` are references."""
        shared = dict(batches)

        def ask(worker: Any, order: Refit) -> Any:
            return worker.refit.remote(order, shared)

        one_by_one = iter(self._spread(ask, [order for order in orders if order.is_wide], at_once=1))
        beside = iter(self._spread(ask, [order for order in orders if not order.is_wide]))
        return [next(one_by_one if order.is_wide else beside) for order in orders]

    def take_up(self, orders: Sequence[Kept]) -> list[list[Refitted]]:
        """Return the models that trials kept, in order."""
        return self._spread(lambda worker, order: worker.take_up.remote(order), orders)


def begun(tasks: Sequence[Task], evidence: Evidence, seed: int, ground: Ground | None = None) -> list[Drive]:
    """Return one generator per task, each at its first round; tasks that may know the same rows share them."""
    seen: dict[tuple[bool, int | None], Evidence] = {}
    for task in tasks:
        if (known := (task.part.grows, task.without_fold)) not in seen:
            seen[known] = evidence_for(task, evidence, ground)
    return [Drive(task, seen[task.part.grows, task.without_fold], child(seed, task.key)) for task in tasks]


class Drive:
    """One generator on its way: the jobs of its round, and their results as they come."""

    def __init__(self, task: Task, evidence: Evidence, seed: int) -> None:
        self.task, self.evidence = task, evidence
        self.generator: Generator[Sequence[Job], Sequence[Any], Learned] = task.part.rounds(evidence, seed)
        self.jobs: Sequence[Job] = []
        self.results: dict[int, Any] = {}
        self.grown: list[Grown] = []  # as they came, less the predictions that the generator was sent
        self.ended = False
        self.outcome: Learned | Failure = Failure("not finished")
        self._advance(None)

    def take(self, index: int, result: Any) -> bool:
        """Take in a result; True when that began a new round."""
        if self.ended:
            return False
        self.results[index] = result
        if isinstance(result, Failure):
            self._end(result)
            return False
        if len(self.results) < len(self.jobs):
            return False
        return self._advance([self._sent(self.results[index]) for index in range(len(self.jobs))])

    def _advance(self, results: Sequence[Any] | None) -> bool:
        try:
            self.jobs = next(self.generator) if results is None else self.generator.send(results)
            while not self.jobs:
                self.jobs = self.generator.send([])
        except StopIteration as end:
            grown = tuple(self.grown[member.number] for member in end.value.grown)
            self._end(replace(end.value, grown=grown))
            return False
        self.results = {}
        return True

    def _sent(self, result: Any) -> Any:
        """Return what the generator may see of a result, and keep the rest."""
        if not isinstance(result, Grown):
            return result
        numbered = replace(result, number=len(self.grown))
        self.grown.append(numbered.without_predictions())
        return replace(numbered, fitted=None, judged_nK=None, fit_s=0.0, predict_us_per_row=0.0, num_rows=0)

    def _end(self, outcome: Learned | Failure) -> None:
        self.outcome, self.ended, self.jobs, self.results = outcome, True, [], {}


def predictions_of(task: Task, learned: Learned, rows: Evidence) -> np.ndarray:
    """Return what an ensemble predicts: for rows of which all members said something, or from its grown members."""
    part = task.part
    if part.grows:
        return part.combine(learned, judged(learned))
    used = part.used(learned, len(rows.names))
    return part.combine_rows(learned, rows.prediction_MNK[used], rows.columns.get(part.reads))


def judged(learned: Learned) -> np.ndarray:
    """Return prediction_MnK of the members that were grown, for the rows that judge them."""
    found = [member.judged_nK for member in learned.grown if member.judged_nK is not None]
    assert len(found) == len(learned.grown) > 0, "the driver keeps what its members predict"
    return np.stack(found)
