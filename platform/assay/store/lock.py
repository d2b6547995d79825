"""One writer per run: a lock that only the dead lose."""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from assay.errors import ClusterFault
from assay.store import files

BEAT_S = 5.0  # between two signs of life
SILENCE_S = 60.0  # without one, a holder on another machine counts as dead
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock; enough to tell a living process from a dead one whose number was given out again."""

    pid: int
    host: str
    boot: str  # changes when the machine starts again; empty where the system does not tell
    started: int  # clock ticks from boot to the start of the process; 0 where the system does not tell
    token: str  # of this lock, so that a holder knows its own
    beat_s: float  # last sign of life, seconds since 1970

    @classmethod
    def me(cls) -> Holder:
        """Describe this process."""
        pid = os.getpid()
        return cls(pid, platform.node(), boot_id(), started(pid) or 0, secrets.token_hex(8), time.time())

    def is_alive(self, now_s: float) -> bool:
        """Whether the holder still runs: exact on its own machine, by its heartbeat from another."""
        if self.host != platform.node():
            return now_s - self.beat_s < SILENCE_S
        if self.boot != boot_id():
            return False
        return started(self.pid) == self.started


class RunLock:
    """Lets one process at a time write into a folder; a context manager.

    Example:
        >>> with RunLock(folder):  # doctest: +SKIP
        ...     ...
    """

    def __init__(self, folder: Path, beat_s: float = BEAT_S, clock: Callable[[], float] = time.time) -> None:
        self.path = folder / "lock.json"
        self._guard = folder / "lock.guard"
        self._beat_s = beat_s
        self._clock = clock
        self._mine: Holder | None = None
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> RunLock:
        with files.guard(self._guard):
            holder = self.holder()
            if holder is not None and holder.is_alive(self._clock()):
                raise ClusterFault.at(
                    str(self.path.parent),
                    f"is being written by process {holder.pid} on {holder.host}",
                    "wait for it or stop it, then try again",
                )
            self._mine = Holder.me()
            self._write()
        self._stop.clear()
        self._heart = threading.Thread(target=self._keep_beating, name="run lock", daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._heart is not None:
            self._heart.join()
        with files.guard(self._guard):
            if self.is_mine():
                files.remove_tree(self.path)
        self._mine = None

    def holder(self) -> Holder | None:
        """Return who holds the lock, living or dead; None when nobody does or the file says nothing."""
        try:
            return Holder(**json.loads(files.read_file(self.path)))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def is_taken(self) -> bool:
        """Whether a living process holds the lock."""
        holder = self.holder()
        return holder is not None and holder.is_alive(self._clock())

    def is_mine(self) -> bool:
        """Whether this very lock is the one on the disk; false once another machine took us for dead."""
        holder = self.holder()
        return holder is not None and self._mine is not None and holder.token == self._mine.token

    def _keep_beating(self) -> None:
        while not self._stop.wait(self._beat_s):
            try:
                with files.guard(self._guard):
                    if not self.is_mine():
                        return
                    self._write()
            except ClusterFault:  # a full disk shows where data is written; here it is only a missed beat
                continue

    def _write(self) -> None:
        assert self._mine is not None, "only a holder writes the lock"
        content = {**asdict(self._mine), "beat_s": self._clock()}
        files.write_file(self.path, json.dumps(content, indent=1).encode())


def boot_id() -> str:
    """Return the id of this start of the machine, or nothing where the system has none."""
    return BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.exists() else ""


def started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is no such process."""
    if not Path("/proc/self/stat").exists():
        return 0 if _answers(pid) else None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if state in "ZX" else int(rest[18])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
