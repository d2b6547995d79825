"""A retraining whose process is killed goes on under the same submission id, with the run that it had begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assay.store.retrainings import OUTCOME, Retrainings
from assay.store.runs import Storage
from measuring.simulated import Stream

pytestmark = pytest.mark.faults
TIMEOUT_S = 240.0


def assay(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a verb in a session of its own, on a Ray of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "assay", *arguments, "--storage", "storage"],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a champion and new rows."""
    pq.write_table(Stream(0).rows(1_500), tmp_path / "old.parquet")
    pq.write_table(Stream(1).rows(3_000, "concept"), tmp_path / "new.parquet")
    (tmp_path / "clicks.yaml").write_text(
        "experiment: clicks\ndata: {train: old.parquet, label: y}\nsplit: {folds: 3}\n"
        "algorithms: [random_forest, lightgbm]\nsearch: {trials: 6}\n"
    )
    made = assay(tmp_path, "run", "clicks.yaml")
    _, err = made.communicate(timeout=TIMEOUT_S)
    assert made.returncode == 0, err
    return tmp_path


def test_a_killed_retraining_goes_on_where_it_was(folder: Path) -> None:
    words = ("retrain", "clicks", "--data", "new.parquet", "--window", "2000", "--submission-id", "nightly")
    killed = assay(folder, *words)
    (champion,) = Storage(folder / "storage").runs()
    _await(lambda: any(champion not in str(file) for file in folder.glob("storage/runs/*/trials/0001/fold-2.json")))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    storage = Storage(folder / "storage")
    assert Retrainings(storage).open("nightly", "clicks").read(OUTCOME) is None
    runs = storage.runs()
    finished = {file: file.stat().st_mtime_ns for file in folder.glob("storage/runs/*/trials/*/fold-*.json")}

    again = assay(folder, *words)
    _, err = again.communicate(timeout=TIMEOUT_S)

    assert again.returncode == 0, err
    assert storage.runs() == runs
    assert {file: file.stat().st_mtime_ns for file in finished} == finished
    outcome = Retrainings(storage).open("nightly", "clicks").read(OUTCOME)
    assert outcome is not None
    assert outcome["promoted"], outcome["reasons"]


def _await(happened: object) -> None:
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        if happened():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
