"""The accuracy benchmark counts what it says: peers, wins, ties, losses, memory, and sets that cannot be run."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.spec import parse_yaml
from assay.workflows.checking import checked
from measuring import peers, table
from measuring.peers import Baseline
from measuring.sets import DataSet, experiment_text, read_sets
from measuring.watched import watch

META = {
    "name": "credit",
    "kind": "tabular",
    "task": "binary",
    "target": "class",
    "metric": "roc_auc",
    "positive": "bad",
}
HEAD = (
    "system,version,set,task,budget_s,metric,value,wall_s,predict_1row_ms,predict_rows_per_s,peak_rss_mb,model_mb,notes"
)
ALLOCATING = "import sys, subprocess; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"


def row(name: str, score: float, known: dict[str, float]) -> dict[str, Any]:
    """Return what a run of one set left, with an interval of one hundredth on both sides."""
    ours = {"score": score, "low": score - 0.0196, "high": score + 0.0196}
    entries = {system: Baseline(system, name, "roc_auc", value, 0, {}) for system, value in known.items()}
    costs = {"peak_mb": 900.0, "model_mb": 1.0, "predict_1row_ms": 2.0, "predict_rows_per_s": 1e5}
    ran = {"finalized_s": 61.0, "wall_s": 63.0, "budget_kept": True, "winner": "greedy", "members": None}
    against = peers.against_peers("roc_auc", ours, entries)
    return {"set": name, "metric": "roc_auc", "failed": None, "ours": ours, **costs, **ran, **against}


ROWS = [row("a", 0.90, {"lgbm": 0.85, "autogluon": 0.95}), row("b", 0.80, {"lgbm": 0.795, "autogluon": 0.80})]
FAILED = {"set": "c", "metric": "rmse", "failed": "exit code 3: no rows"}


@pytest.mark.parametrize("name", ["measuring.peers", "measuring.table"])
def test_the_examples_of_the_benchmark_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_a_tie_counts_half_and_one_standard_error_makes_ties() -> None:
    found = peers.summary(ROWS, budget_s=60)["against"]["autogluon"]
    assert found["raw"] == {"wins": 0, "ties": 1, "losses": 1, "win_rate": 0.25}
    assert peers.summary(ROWS, budget_s=60)["against"]["lgbm"]["within_se"]["ties"] == 1


def test_the_normalised_loss_is_0_for_the_best_and_1_for_the_worst_of_a_set() -> None:
    assert ROWS[0]["normalised_loss"] == {"assay": pytest.approx(0.5), "lgbm": 1.0, "autogluon": 0.0}


def test_sets_where_a_strong_system_beats_the_defaults_are_counted_apart() -> None:
    assert peers.summary(ROWS, budget_s=60)["where_strong_beats_defaults"] == {"sets": ["a", "b"], "won": ["a", "b"]}


def test_of_two_budgets_of_a_peer_the_largest_not_above_ours_counts() -> None:
    entries = [Baseline("flaml", "a", "rmse", float(budget), budget, {}) for budget in (30, 300, 60)]
    assert peers.peers_of(entries, "a", "rmse", budget_s=60)["flaml"].budget_s == 60


def test_baselines_are_read_and_empty_costs_left_out(tmp_path: Path) -> None:
    file = tmp_path / "baselines.csv"
    file.write_text(f'{HEAD}\nlgbm,4,credit,binary,0,roc_auc,0.78,1.5,11.7,,253,0.3,"best=x, y"\n')
    (entry,) = peers.read_baselines(file)
    assert entry.value == 0.78
    assert entry.costs == {"wall_s": 1.5, "predict_1row_ms": 11.7, "peak_rss_mb": 253, "model_mb": 0.3}


def test_a_failed_set_is_told_and_counts_as_nothing_else() -> None:
    summed = peers.summary([*ROWS, FAILED], budget_s=60)
    assert (summed["sets"], summed["failed"], summed["budget_kept"]) == (3, 1, 2)
    assert "c: failed: exit code 3: no rows" in table.printed([*ROWS, FAILED], summed, 60)


def test_a_table_needs_no_peers() -> None:
    alone = row("a", 0.9, {})
    printed = table.printed([alone], peers.summary([alone], 60), 60)
    assert printed.splitlines()[1].startswith("a    roc_auc  0.90000  0.88040 to 0.91960")


def test_the_experiment_of_a_set_is_free_of_faults_and_says_what_its_meta_file_says(tmp_path: Path) -> None:
    text = experiment_text(DataSet(tmp_path, META), budget_s=60, trials=500, preset=None, seed=1)
    experiment = checked(parse_yaml(text))
    assert (experiment.data.label, experiment.data.positive, experiment.metric) == ("class", "bad", "roc_auc")
    assert (experiment.search.time_budget_s, experiment.search.trials) == (60, 500)


def test_sets_of_other_kinds_and_names_without_a_set_are_told(tmp_path: Path) -> None:
    for name, kind in (("credit", "tabular"), ("digits", "image")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").write_text(json.dumps({**META, "name": name, "kind": kind}))
    found, skipped = read_sets(tmp_path, ["credit", "digits", "adlut"])
    assert [data.name for data in found] == ["credit"]
    assert skipped == ["digits: skipped, its kind is image", f"adlut: no such set in {tmp_path}"]
    assert found[0].unusable == "lacks train.parquet, test.parquet"


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process tree is read from /proc")
def test_the_memory_of_a_child_counts(tmp_path: Path) -> None:
    inner = "import time; held = bytearray(b'x') * 200_000_000; time.sleep(2)"
    ended = watch([sys.executable, "-c", ALLOCATING.format(inner=inner)], tmp_path, os.environ, patience_s=60)
    assert ended.code == 0
    assert 200 < ended.peak_mb < 300


def test_a_program_whose_time_is_up_is_stopped_and_said_to_be(tmp_path: Path) -> None:
    ended = watch([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, os.environ, patience_s=0.2)
    assert ended.code is None
    assert ended.wall_s < 10
