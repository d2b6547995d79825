"""A driver that is killed loses nothing that was finished, and the resumed run ends as an uninterrupted one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.faults
TIMEOUT_S = 180.0


def assay(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a verb in a session of its own, on a Ray of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "assay", *arguments],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def finished(started: subprocess.Popen[str]) -> dict[str, object]:
    """Wait for a verb and return the JSON that it printed."""
    out, err = started.communicate(timeout=TIMEOUT_S)
    assert started.returncode == 0, err
    found: dict[str, object] = json.loads(out)
    return found


def scores(result: dict[str, object]) -> list[tuple[str, float]]:
    """Return names and scores of a leaderboard."""
    return [(row["name"], row["score"]) for row in result["leaderboard"]]  # type: ignore[attr-defined]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with 3,000 rows and an experiment of twelve trials that take a second each."""
    chance = np.random.default_rng(0)
    frame = pd.DataFrame(chance.normal(size=(3_000, 8)), columns=[*"abcdefgh"])
    frame["y"] = np.where(frame["a"] * frame["b"] + frame["c"] + chance.normal(size=3_000) > 0, "yes", "no")
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "experiment.yaml").write_text(
        "experiment: killed\nseed: 3\ndata: {train: rows.parquet, label: y}\nsplit: {folds: 3}\n"
        "algorithms: [random_forest, lightgbm, extra_trees]\nsearch: {trials: 12}\n"
    )
    return tmp_path


def test_a_killed_run_resumes_without_fitting_finished_folds_again(folder: Path) -> None:
    killed = assay(folder, "run", "experiment.yaml", "--storage", "killed", "--json")
    trials = _await_trials(folder / "killed", 3)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    before = {file: file.stat().st_mtime_ns for file in trials.glob("*/fold-*.json")}
    assert len(before) >= 9
    assert len(before) < 36, "the run had ended before it was killed"

    resumed = finished(assay(folder, "resume", "--storage", "killed", "--json"))

    assert {file: file.stat().st_mtime_ns for file in before} == before
    whole = finished(assay(folder, "run", "experiment.yaml", "--storage", "whole", "--json"))
    assert scores(resumed) == scores(whole)
    assert resumed["test"] == whole["test"]


def _await_trials(storage: Path, count: int) -> Path:
    """Wait until some trials have all their folds on the disk, and return the folder of trials."""
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        done = list(storage.glob("runs/*/trials/*/fold-2.json"))
        if len(done) >= count:
            return done[0].parent.parent
        time.sleep(0.1)
    raise AssertionError("no trial was finished in time")


def test_a_killed_worker_costs_its_fold_and_nothing_else(folder: Path) -> None:
    started = assay(folder, "run", "experiment.yaml", "--storage", "worker", "--json")
    _await_trials(folder / "worker", 1)
    worker = _fitting_process(started.pid)
    os.kill(worker, signal.SIGKILL)
    hurt = finished(started)
    whole = finished(assay(folder, "run", "experiment.yaml", "--storage", "whole", "--json"))
    assert hurt["trials"] == whole["trials"]
    assert scores(hurt) == scores(whole)


def _fitting_process(driver: int) -> int:
    """Return a process below the driver in which Tune runs a trial."""
    for process in _below(driver):
        with contextlib.suppress(OSError):
            if b"ImplicitFunc" in Path(f"/proc/{process}/cmdline").read_bytes():
                return process
    raise AssertionError("no process fits a trial")


def _below(driver: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    parent = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            parent[int(status.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = []
    for process in parent:
        above = process
        while above in parent and above != driver:
            above = parent[above]
        if above == driver:
            found.append(process)
    return found


def test_an_interrupted_run_says_how_to_go_on(folder: Path) -> None:
    interrupted = assay(folder, "run", "experiment.yaml", "--storage", "interrupted")
    run = _await_trials(folder / "interrupted", 1).parent
    os.kill(interrupted.pid, signal.SIGINT)
    _, err = interrupted.communicate(timeout=TIMEOUT_S)
    assert interrupted.returncode == 130
    assert err.rstrip().endswith(f"interrupted; what is finished is kept: assay resume {run.name}")
