"""Keeps what was asked and answered, for `assay drift` and for whoever labels it later; answers never wait for it.

An answer leaves its rows in memory. A thread of its own makes lines of them every few seconds and writes them where
`assay.store.prediction_log` reads them. A full or broken disk costs lines, which are counted, and never an answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from assay.batch import Batch
from assay.errors import ClusterFault
from assay.store import prediction_log, segments
from assay.store.segments import Segments
from assay_serving.batching import Overloaded
from assay_serving.desk import Answered, Desk
from assay_serving.log_lines import Kept, lines
from assay_serving.served import Served
from assay_serving.settings import LogPlan

log = logging.getLogger("assay_serving")
WRITE_EVERY_S = 3.0  # what a process that is killed loses at most
WRITE_AT_ROWS = 2_000  # or as soon as so many rows wait
MAX_HELD_BYTES = 64 << 20  # rows that wait in memory; beyond it they are left out and counted
MAX_STORING = 64  # requests with labels that wait for the disk
MAX_SEGMENTS = 32  # files that may be written again: one for each version and type of its columns
CLOSE_S = 10.0  # for a disk that hangs
PRUNE_EVERY_S = 60.0
WARN_EVERY_S = 60.0


@dataclass
class Lines:
    """What became of the rows that were to be kept, since the process started."""

    num_written: int = 0
    num_left_out: int = 0  # they came faster than they could be written, or could not be written at all


class Logbook:
    """Hand `watch` to `Desk.watching`; follows another plan at any time, and ends with `close`."""

    def __init__(self, desk: Desk) -> None:
        self.counts = Lines()
        self.plan: LogPlan | None = None
        self._desk = desk
        self._held: list[Kept] = []
        self._held_bytes = self._held_rows = 0
        self._guard = threading.Lock()  # of what is held
        self._writing = threading.Lock()  # of the files
        self._segments: dict[tuple[Path, str], Segments] = {}
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._labels = ThreadPoolExecutor(1, "feedback")
        self._num_storing = 0
        self._pruned_s = self._warned_s = -PRUNE_EVERY_S

    def follow(self, plan: LogPlan | None) -> None:
        """Keep what this plan says from now on; None keeps nothing."""
        self.plan = plan
        if plan is not None and plan.share > 0 and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="logbook", daemon=True)
            self._thread.start()

    def keeps(self, request_id: str) -> bool:
        """Whether the rows of a request are kept: decided by its id, so that all are or none."""
        return self.plan is not None and share_place(request_id) < self.plan.share

    def watch(self, found: Answered) -> None:
        """Take an answer's rows in; neither raises nor waits for a disk."""
        plan = self.plan
        if plan is None or found.rows is None or not self.keeps(found.request_id):
            return
        size_bytes = found.table.nbytes
        if isinstance(found.rows, Batch):
            size_bytes += sum(array.nbytes for array in found.rows.columns.values())
        with self._guard:
            if self._held_bytes + size_bytes > MAX_HELD_BYTES:
                self.counts.num_left_out += found.num_answers
                return
            role = self._desk.routes.role(found.served.ref)
            self._held.append(Kept(found, role, plan.storage, time.time_ns() // 1_000))
            self._held_bytes += size_bytes
            self._held_rows += found.num_answers
        if self._held_rows >= WRITE_AT_ROWS:
            self._wake.set()

    def told(self) -> dict[str, float]:
        """Return the share of the requests that is kept, and what became of their rows, for people."""
        return {"share": 0.0 if self.plan is None else self.plan.share, **asdict(self.counts)}

    def close(self) -> None:
        """Write what is held, and end; without it where the disk hangs."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        hangs = self._thread is not None and self._thread.is_alive()
        if not hangs:
            self.write()
        self._labels.shutdown(wait=not hangs)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(WRITE_EVERY_S)
            self._wake.clear()
            self.write()

    def write(self) -> None:
        """Write what is held now."""
        with self._guard:
            taken, self._held, self._held_bytes, self._held_rows = self._held, [], 0, 0
        groups: dict[tuple[str, Served], list[Kept]] = {}
        for kept in taken:
            groups.setdefault((kept.storage, kept.found.served), []).append(kept)
        for (storage, served), group in groups.items():
            home = prediction_log.log_home(Path(storage), served.ref.name, served.ref.version)
            num_rows = sum(kept.found.num_answers for kept in group)
            try:
                self._append(home, lines(served, group))
                self.counts.num_written += num_rows
            except Exception as error:  # noqa: BLE001 - no fault of a log may end its thread
                self.counts.num_left_out += num_rows
                self.warn(f"the prediction log left {self.counts.num_left_out:,} rows out so far: {error}")

    async def store_labels(self, name: str, labels: pa.Table) -> None:
        """Return when labels of a model (`request_id`, `row`, `label`) are on the disk.

        Raises:
            Overloaded: too many wait for the disk already.
            ClusterFault: they could not be written.
        """
        assert self.plan is not None, "a door that takes labels asks first whether they are kept"
        if self._num_storing >= MAX_STORING:
            raise Overloaded
        home = prediction_log.feedback_home(Path(self.plan.storage), name)
        self._num_storing += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._labels, self._append, home, labels)
        finally:
            self._num_storing -= 1

    def _append(self, home: Path, table: pa.Table) -> None:
        with self._writing:
            key = (home, str(table.schema))
            while key not in self._segments and len(self._segments) >= MAX_SEGMENTS:
                del self._segments[next(iter(self._segments))]
            self._segments.setdefault(key, Segments(home)).append(table, datetime.now(UTC))
        self._prune()

    def _prune(self) -> None:
        plan, now_s = self.plan, time.monotonic()
        if plan is None or now_s - self._pruned_s < PRUNE_EVERY_S:
            return
        self._pruned_s = now_s
        for tree in prediction_log.trees(Path(plan.storage)):
            with suppress(OSError, ClusterFault):
                segments.prune(tree, plan.max_mib << 20, plan.max_days, datetime.now(UTC))

    def warn(self, text: str) -> None:
        """Tell the operator, once a minute at most."""
        now_s = time.monotonic()
        if now_s - self._warned_s >= WARN_EVERY_S:
            self._warned_s = now_s
            log.warning("%s", text)


def share_place(request_id: str) -> float:
    """Return where a request lies in [0, 1): the same on every replica; a share that grows keeps what it kept."""
    return int.from_bytes(hashlib.sha256(b"log/" + request_id.encode()).digest()[:8], "big") / 2**64
