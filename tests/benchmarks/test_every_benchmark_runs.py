"""Every benchmark runs from beginning to end, at tiny sizes: whether its figures hold is for `make bench` to say."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parents[2] / "benchmarks"
TINY: dict[str, dict[str, Any]] = {
    "drift": {
        "NUM_SEEDS": 1,
        "TRAINING_ROWS": (300,),
        "WINDOW_ROWS": (100,),
        "WINDOWS": {"none": 1, "covariate": 1, "label": 1, "concept": 1},
    },
    "ensembles": {"NUM_ROWS": 400},
    "explanations": {"NUM_ROWS": 1, "TRAINING_ROWS": 300, "COUNTS": (512,), "MOST_EVALUATIONS": 1_024},
    "retraining": {
        "NUM_OLD": 200,
        "NUM_NEW": 200,
        "NUM_TURNED": 200,
        "NUM_WITHOUT_GAIN": 1,
        "NUM_CONCEPT": 1,
        "FURTHER_ROWS": 500,
    },
}
ON_RAY = ("accuracy", "fan_out", "overhead", "serving", "training")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Imports a benchmark and makes it tiny."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", str(HERE))

    def imported(name: str, **tiny: Any) -> Any:
        module = importlib.import_module(name)
        for constant, value in tiny.items():
            monkeypatch.setattr(module, constant, value)
        monkeypatch.setattr(sys, "argv", [name])
        return module

    return imported


def test_every_benchmark_is_tried_here_or_in_its_own_file() -> None:
    assert {file.stem for file in HERE.glob("*.py")} == {*TINY, *ON_RAY}


@pytest.mark.parametrize("name", TINY)
def test_it_prints_a_table(benchmark: Callable[..., Any], capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert benchmark(name, **TINY[name]).main() in (0, 1)
    assert len(capsys.readouterr().out.splitlines()) > 1


def test_the_training_of_a_network_is_measured(
    benchmark: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from measuring.plain_training import Load

    module = benchmark("training", Load=lambda: Load(256, 8, 4, 32, num_epochs=3))
    assert module.on_cpu(1, alone=True) in (True, False)
    assert "one worker, in this process" in capsys.readouterr().out


def ran(code: str, *words: str) -> str:
    """Return what a benchmark prints that is made tiny in a process of its own, with a Ray of its own."""
    made = f"import sys; sys.argv = {['benchmark', *words]}; {code}; sys.exit(min(b.main() or 0, 0))"
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    ended = subprocess.run(
        [sys.executable, "-c", made], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]
    return ended.stdout


@pytest.mark.cluster
def test_the_overhead_of_a_search_is_measured() -> None:
    found = ran("import overhead as b; b.NUM_TRIALS = b.NUM_FOLDS = 2; b.first_model_wall_s = lambda: 1.0")
    assert "100 fits of 1 s" in found


@pytest.mark.faults
def test_members_in_processes_of_their_own_are_measured() -> None:
    found = ran("import fan_out as b; b.NUM_REQUESTS, b.NUM_ROWS = 3, 300")
    assert "three member processes, whole" in found


@pytest.mark.faults
def test_servers_are_measured_side_by_side() -> None:
    code = "import serving as b; b.BATCH_ROWS, b.NUM_SINGLE = 10, 4"
    assert "MLflow" in ran(code, "--rounds", "1", "--seconds", "0.2", "--only", "ours, --no-haproxy")
