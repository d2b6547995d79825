"""Tries ensembles in this process, without Ray: the jobs are small once the evidence is there."""

from __future__ import annotations

from collections.abc import Sequence

from assay.engines.fleet import Failure, Task, begun, done
from assay.parts import Evidence, Learned


class Bench:
    """Drives one generator after another; gives the same bits as a `Fleet` of as many threads."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def learn(self, tasks: Sequence[Task], evidence: Evidence, seed: int) -> list[Learned | Failure]:
        """Drive one generator per task to its end and return what each learned, in order."""
        # Loaded before the limit, which does not reach libraries that come later.
        import scipy.linalg  # noqa: F401
        import sklearn.utils._openmp_helpers  # noqa: F401
        from threadpoolctl import threadpool_limits

        drives = begun(tasks, evidence, seed)
        with threadpool_limits(1):
            for drive in drives:
                while drive.jobs:
                    for index, job in list(enumerate(drive.jobs)):
                        drive.take(index, done(drive.task, job, drive.evidence, self.threads))
        return [drive.outcome for drive in drives]
