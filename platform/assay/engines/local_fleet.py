"""What a `Fleet` does, in this process and without Ray: the same generators, jobs and results, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.engines.fleet import Drive, Failure, Kept, Refit, Refitted, Task, begun, done, refitted, taken_up
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
        # Loaded before the limit, which does not reach libraries that come later.
        import scipy.linalg  # noqa: F401
        import sklearn.utils._openmp_helpers  # noqa: F401
        from threadpoolctl import threadpool_limits

        drives = begun(tasks, evidence, seed, ground)
        with threadpool_limits(1):
            for drive in drives:
                while not drive.ended:
                    self._round(drive, ground)
        return [drive.outcome for drive in drives]

    def refit(self, orders: Sequence[Refit], batches: Mapping[str, Any]) -> list[Refitted]:
        """Fit members on all rows, and return them in order; `batches` are no references."""
        return [refitted(order, batches[order.recipe], self.threads) for order in orders]

    def take_up(self, orders: Sequence[Kept]) -> list[list[Refitted]]:
        """Return the models that trials kept, in order."""
        return [taken_up(order) for order in orders]

    def _round(self, drive: Drive, ground: Ground | None) -> None:
        for index, job in list(enumerate(drive.jobs)):
            batch = ground.batch(job.algorithm) if ground is not None and isinstance(job, Grow) else None
            drive.take(index, done(drive.task, job, drive.evidence, self.threads, ground, batch))
            if drive.ended:
                return
