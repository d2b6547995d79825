"""Drives ensembles in this process, one job after the other: the same generators, jobs and results without Ray."""

from __future__ import annotations

from collections.abc import Sequence

from assay.engines.fleet import Drive, Failure, Task, done
from assay.engines.growing import Ground
from assay.parts import Evidence, Grow, Learned
from assay.seeds import child


def learn_here(
    tasks: Sequence[Task], evidence: Evidence, seed: int, ground: Ground | None = None, threads: int = 1
) -> list[Learned | Failure]:
    """Drive one generator per task to its end and return what each learned, in order, bit for bit as a `Fleet` does.

    `ground` holds batches, not references to them; only ensembles that grow need it.
    """
    return [_learned(task, evidence, child(seed, task.key), ground, threads) for task in tasks]


def _learned(task: Task, evidence: Evidence, seed: int, ground: Ground | None, threads: int) -> Learned | Failure:
    drive = Drive(task, evidence, seed, ground)
    while not drive.ended:
        for index, job in enumerate(drive.jobs):
            batch = ground.batch(job.algorithm) if ground is not None and isinstance(job, Grow) else None
            drive.take(index, done(task, job, evidence, threads, ground, batch))
            if drive.ended:
                break
    return drive.outcome
