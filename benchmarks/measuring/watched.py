"""Run a program and watch it: wall time, and the peak memory of its whole process tree, Ray's processes included."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
INTERVAL_S = 0.5
SHARE = 20  # looking takes at most one part in so many of one CPU, which the program needs itself
GRACE_S = 30.0


@dataclass(frozen=True)
class Watched:
    """What a program did; `code` is None when it was stopped because its time was up."""

    code: int | None
    stdout: str
    stderr: str
    started_s: float  # seconds since 1970
    wall_s: float
    peak_mb: float  # 0 where the system does not tell


def watch(command: Sequence[str], cwd: Path, environment: Mapping[str, str], patience_s: float) -> Watched:
    """Run a program to its end, or until `patience_s` are over."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started_s, started = time.time(), time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, env=dict(environment), stdout=out, stderr=err)
        peak_bytes, late = 0, False
        try:
            while process.poll() is None and not late:
                looked = time.monotonic()
                peak_bytes = max(peak_bytes, sum(map(memory_bytes, tree(process.pid))))
                late = looked - started > patience_s
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(INTERVAL_S, SHARE * (time.monotonic() - looked)))
        finally:
            wall_s = time.monotonic() - started
            stop(process)
        out.seek(0)
        err.seek(0)
        code = None if late else process.returncode
        return Watched(code, out.read(), err.read(), started_s, wall_s, peak_bytes / 1e6)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs: politely first, then with everything that it started."""
    if process.poll() is not None:
        return
    family = tree(process.pid)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        for pid in reversed(family):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it; the process alone where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    family = [root]
    for pid in family:
        family += children.get(pid, [])
    return family


def memory_bytes(pid: int) -> int:
    """Return a process's proportional set size: pages that n processes share count 1/n in each, so once in a sum."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0
