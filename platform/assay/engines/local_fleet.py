"""What a `Fleet` does, in this process and without Ray: the same generators, jobs and results, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from assay.engines.fleet import Drive, Failure, Task, begun, done
from assay.engines.growing import Ground
from assay.parts import Evidence, Grow, Learned


class LocalFleet:
    """Drives one generator after another; gives the same bits as a `Fleet` with as many threads."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def learn(
        self, tasks: Sequence[Task], evidence: Evidence, seed: int, ground: Ground | None = None
    ) -> list[Learned | Failure]:
        """Drive one generator per task to its end and return what each learned, in order.

        `ground` holds batches, not references to them; only ensembles that grow need it.
        """
        drives = begun(tasks, evidence, seed, ground)
        for drive in drives:
            while not drive.ended:
                self._round(drive, ground)
        return [drive.outcome for drive in drives]

    def _round(self, drive: Drive, ground: Ground | None) -> None:
        for index, job in list(enumerate(drive.jobs)):
            batch = ground.batch(job.algorithm) if ground is not None and isinstance(job, Grow) else None
            drive.take(index, done(drive.task, job, drive.evidence, self.threads, ground, batch))
            if drive.ended:
                return
