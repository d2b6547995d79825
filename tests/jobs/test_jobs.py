"""The programs for `ray job submit`: the command line behind them, and nothing that a job would lose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
IN_JOB = {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}  # what Ray sets for the entrypoint of a job


def call(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program as `ray job submit` would: from the uploaded copy, with the source roots on PYTHONPATH."""
    kept = {name: value for name, value in os.environ.items() if name not in ("ASSAY_STORAGE", *IN_JOB)}
    environment = {**kept, "PYTHONPATH": "platform:serving", **variables}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("program", "verb"),
    [
        ("jobs/run.py", "run"),
        ("jobs/batch_predict.py", "predict"),
        ("jobs/explain.py", "explain"),
        ("jobs/retrain.py", "retrain"),
    ],
)
def test_a_job_is_the_command_line(program: str, verb: str) -> None:
    assert f"{verb} [OPTIONS]" in call(program, "--help").stdout


def test_a_fault_in_the_file_gives_the_job_its_exit_code() -> None:
    assert call("jobs/run.py", "no-such-file.yaml").returncode == 2


def test_a_job_says_where_it_keeps_what_it_makes() -> None:
    told = call("jobs/run.py", "no-such-file.yaml", HOME="/nowhere", **IN_JOB)
    assert "kept in /nowhere/.assay" in told.stderr


@pytest.mark.parametrize(("words", "variables"), [((), {"ASSAY_STORAGE": "/shared"}), (("--storage=/shared",), {})])
def test_a_job_that_was_told_where_to_keep_things_does_not_choose(
    words: tuple[str, ...], variables: dict[str, str]
) -> None:
    assert "is kept in" not in call("jobs/run.py", "no-such-file.yaml", *words, **IN_JOB, **variables).stderr


@pytest.mark.parametrize(
    ("words", "asked"),
    [((), "nightly-7"), (("--submission-id", "by-hand"), "by-hand"), (("--submission-id=by-hand",), "by-hand")],
)
def test_a_retraining_bears_the_submission_id_of_its_job(words: tuple[str, ...], asked: str, tmp_path: Path) -> None:
    submitted = json.dumps({"metadata": {"job_submission_id": "nightly-7"}})
    told = call(
        "jobs/retrain.py", "clicks", *words,
        RAY_JOB_CONFIG_JSON_ENV_VAR=submitted, ASSAY_STORAGE=str(tmp_path), NO_COLOR="1",
    )  # fmt: skip
    assert told.returncode == 2
    assert f"retraining clicks, submission {asked}" in told.stderr


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """An experiment that would try everything on 400 rows."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(400, 4)), columns=[*"abcd"])
    frame["y"] = np.where(frame["a"] > frame["b"], "yes", "no")
    frame.to_parquet(tmp_path / "rows.parquet")
    file = tmp_path / "rows.yaml"
    file.write_text(
        f"experiment: rows\ndata: {{train: {tmp_path}/rows.parquet, label: y}}\n"
        "algorithms: [lightgbm, {name: torch_module, params: {num_epochs: 3, patience: 0}}]\n"
    )
    return file


@pytest.mark.cluster
def test_one_network_is_trained_by_the_workers_of_a_cluster(ray_cluster: None, experiment: Path) -> None:
    import ray

    ended = call(
        "jobs/train.py", str(experiment), "--network", "torch_module", "--workers", "2", "--min-workers", "1", "--json",
        ASSAY_STORAGE=str(experiment.parent), RAY_ADDRESS=ray.get_runtime_context().gcs_address,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert [row["name"] for row in result["leaderboard"]] == ["torch_module-00", "dummy"]
    (epochs,) = experiment.parent.glob("runs/*/trials/0000/epochs-0.json")
    assert len(json.loads(epochs.read_text())) == 3


def test_a_network_that_does_not_exist_gives_the_job_its_exit_code(experiment: Path) -> None:
    told = call("jobs/train.py", str(experiment), "--network", "cnm")
    assert told.returncode == 2
    assert "did you mean 'cnn'" in told.stderr


def test_outside_a_job_nothing_changes() -> None:
    assert "is kept in" not in call("jobs/run.py", "no-such-file.yaml").stderr


@pytest.mark.parametrize("program", ["jobs/batch_predict.py", "jobs/explain.py"])
@pytest.mark.parametrize("out", [("--out", "found.csv"), ("--out=found.csv",)])
def test_a_job_refuses_to_write_where_it_would_be_lost(program: str, out: tuple[str, ...]) -> None:
    told = call(program, "churn", "rows.csv", *out, **IN_JOB)
    assert told.returncode == 2
    assert "absolute path" in told.stderr


def test_the_runtime_environment_brings_the_source_roots_of_the_uploaded_copy() -> None:
    variables = YAML(typ="safe", pure=True).load(ROOT / "jobs/runtime_env.yaml")["env_vars"]
    assert [(ROOT / entry).is_dir() for entry in variables["PYTHONPATH"].split(":")] == [True, True]


def test_the_upload_leaves_out_what_git_leaves_out() -> None:
    assert set((ROOT / ".gitignore").read_text().split()) <= set((ROOT / ".rayignore").read_text().split())
