"""A network in training that loses a worker, or its driver, goes on from its last state and trains all its epochs."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from assay.training.state import unpacked

HERE = runpy.run_path(str(Path(__file__).parent / "test_kill.py"))
assay, finished, TIMEOUT_S = HERE["assay"], HERE["finished"], HERE["TIMEOUT_S"]
pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
NUM_EPOCHS, CHECKPOINT_S = 1_500, 0.5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with 1,600 rows and an experiment of one network that two workers train for half a minute or so."""
    x_ND = np.random.default_rng(0).normal(size=(1_600, 8))
    frame = pd.DataFrame(x_ND, columns=[*"abcdefgh"])
    frame["y"] = np.where(x_ND[:, 0] * x_ND[:, 1] + x_ND[:, 2] > 0, "yes", "no")
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "experiment.yaml").write_text(
        "experiment: killed\ndata: {train: rows.parquet, label: y}\nsplit: {folds: 1}\nsearch: {trials: 1}\n"
        "ensembles: []\nfinal: {fit: folds}\n"
        f"compute: {{cpus: 2, workers_per_fit: 2, checkpoint_s: {CHECKPOINT_S}}}\nalgorithms:\n"
        f"  - {{name: torch_module, params: {{num_epochs: {NUM_EPOCHS}, batch_size: 400, patience: 0}}}}\n"
    )
    return tmp_path


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def awaited(storage: Path, name: str, started: subprocess.Popen[str]) -> Path:
    """Wait until a training has kept its first state, and return a file of its folder."""
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        found = list(storage.glob("runs/*/trials/*/state-0.safetensors"))
        if found and (found[0].parent / "epochs-0.json").exists():
            first = found[0].stat().st_mtime_ns
            while found[0].stat().st_mtime_ns == first and time.monotonic() < until:
                time.sleep(0.02)  # a second state: one that the training has gone on from, not its beginning
            return found[0].parent / name
        assert started.poll() is None, started.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("no state was kept in time")


def worker_of(driver: int) -> int:
    """Return one of the processes that train, below the driver."""
    for process in HERE["_below"](driver):
        if b"RayTrainWorker" in Path(f"/proc/{process}/cmdline").read_bytes():
            return int(process)
    raise AssertionError("no process trains")


def kept_epoch(folder: Path) -> int:
    """Return the epoch of the state that a training would be taken up from."""
    _, facts = unpacked(load_file(folder / "state-0.safetensors"))
    return int(facts["epoch"])


def epoch_after(file: Path) -> float:
    """Return the first epoch that is told from now on."""
    before, until = file.stat().st_mtime_ns, time.monotonic() + TIMEOUT_S
    while file.stat().st_mtime_ns == before and time.monotonic() < until:
        time.sleep(0.02)
    told = read(file)[-1]
    return float(told.get("epoch", NUM_EPOCHS))


def test_a_killed_worker_costs_one_interval_and_no_epoch(folder: Path) -> None:
    started = assay(folder, "run", "experiment.yaml", "--storage", "storage", "--json")
    file = awaited(folder / "storage", "epochs-0.json", started)
    os.kill(worker_of(started.pid), signal.SIGKILL)
    state_age_s = time.time() - (file.parent / "state-0.safetensors").stat().st_mtime
    kept, killed_at = kept_epoch(file.parent), read(file)[-1]["epoch"]
    assert state_age_s < CHECKPOINT_S + 1.0  # and a second for the writing of it
    assert 0 < killed_at < NUM_EPOCHS, "the training had ended before the worker was killed"
    assert epoch_after(file) > kept > 0, "the training began anew"
    result = finished(started)
    history = read(file)
    assert len(history) == NUM_EPOCHS
    assert history[-1]["loss"] < history[0]["loss"]
    assert result["winner"].startswith("torch_module")  # type: ignore[attr-defined]


def test_a_killed_driver_is_resumed_from_the_state(folder: Path) -> None:
    killed = assay(folder, "run", "experiment.yaml", "--storage", "storage", "--json")
    file = awaited(folder / "storage", "epochs-0.json", killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    kept = kept_epoch(file.parent)
    resumed = assay(folder, "resume", "--storage", "storage", "--json")
    assert epoch_after(file) > kept > 0, "the training began anew"
    finished(resumed)
    assert len(read(file)) == NUM_EPOCHS
