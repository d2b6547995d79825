from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from assay.errors import ClusterFault
from assay.store.lock import SILENCE_S, Holder, RunLock

HOLD = """
import sys, time
from pathlib import Path
from assay.store.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def left_behind(folder: Path, **changed: object) -> Holder:
    """Write the lock of a holder like this process but for what `changed` says."""
    holder = replace(Holder.me(), **changed)  # type: ignore[arg-type]
    (folder / "lock.json").write_text(json.dumps(asdict(holder)))
    return holder


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_living_writer_is_refused_by_name(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(ClusterFault, match=f"is being written by process {other.pid} on "):
        RunLock(tmp_path).__enter__()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    with RunLock(tmp_path) as lock:
        assert lock.is_mine()


def test_the_same_process_cannot_hold_a_run_twice(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(ClusterFault, match="is being written"):
        RunLock(tmp_path).__enter__()


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        pass
    assert RunLock(tmp_path).holder() is None


@pytest.mark.parametrize(
    "changed",
    [{"pid": 2**22 + 1}, {"boot": "before"}, {"started": 1}, {"host": "far", "beat_s": time.time() - SILENCE_S - 1}],
    ids=["no such process", "machine started again", "number given out again", "silent on another machine"],
)
def test_the_dead_lose_the_lock(tmp_path: Path, changed: dict[str, object]) -> None:
    left_behind(tmp_path, **changed)
    with RunLock(tmp_path) as lock:
        assert lock.is_mine()


def test_a_writer_on_another_machine_that_shows_life_keeps_the_lock(tmp_path: Path) -> None:
    left_behind(tmp_path, host="far", pid=1, boot="other")
    with pytest.raises(ClusterFault, match="process 1 on far"):
        RunLock(tmp_path).__enter__()


def test_a_torn_lock_file_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text('{"pid": 1')
    with RunLock(tmp_path) as lock:
        assert lock.is_mine()


def test_a_holder_shows_life(tmp_path: Path) -> None:
    with RunLock(tmp_path, beat_s=0.01) as lock:
        first = lock.holder()
        deadline_s = time.monotonic() + 10
        while lock.holder() == first and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert lock.holder() != first


def test_a_holder_that_was_taken_for_dead_leaves_the_new_one_alone(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        new = left_behind(tmp_path, token="another")
        assert not lock.is_mine()
    assert RunLock(tmp_path).holder() == new
