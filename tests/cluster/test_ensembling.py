"""Ensembles tried on what a finished run has stored: the scores of the run itself, faults with lines, no refit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import assay
from assay.errors import SpecFault
from assay.store.runs import Storage

pytestmark = pytest.mark.cluster
NUM_ROWS = 400
LAYERED = {"name": "stack", "params": {"layers": 2, "lower": ["logistic_regression", "decision_tree"]}}
SKIPPING = {"name": "stack", "params": {"skip": True}}
OWN = ["vote", "greedy", "stack", {"name": "average", "params": {"by": "rank"}}, LAYERED]


def rows() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(NUM_ROWS, 4)), columns=[*"abcd"])
    pull_N = frame["a"] + frame["b"] * frame["c"] + 0.5 * draw.normal(size=NUM_ROWS)
    return frame.assign(left=np.where(pull_N > 0, "yes", "no"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ensembling")


@pytest.fixture(scope="module")
def result(home: Path, ray_cluster: None) -> assay.Result:
    """A run with a few ensembles of its own."""
    return assay.Experiment(
        experiment="tried",
        data={"train": rows(), "label": "left"},
        split={"folds": 3},
        algorithms=["decision_tree", "logistic_regression", "k_nearest_neighbours"],
        search={"trials": 6},
        ensembles=[*OWN, SKIPPING],
    ).run(home / "storage")


def fifty() -> list[Any]:
    """Return the run's own ensembles and others, fifty in all."""
    votes = [{"name": "vote", "params": {"voting": how, "members": n}} for how in ("hard", "soft") for n in range(2, 7)]
    learned = [{"name": "vote", "params": {"weights": "learned", "members": n}} for n in range(2, 7)]
    means = [{"name": "average", "params": {"by": by, "members": n}} for by in ("mean", "median") for n in range(2, 7)]
    greedy = [
        {"name": "greedy", "params": {"num_draws": n, "by": by}} for by in ("loss", "metric") for n in range(5, 11)
    ]
    stacks = [
        {"name": "stack", "params": {"learner": "logistic_regression", "params": {"C": c}}} for c in (0.01, 0.1, 1)
    ]
    trees = [{"name": "stack", "params": {"learner": "decision_tree", "params": {"max_depth": n}}} for n in range(1, 6)]
    return [*OWN, *votes, *learned, *means, *greedy, *stacks, *trees]


@pytest.fixture(scope="module")
def tried(home: Path, result: assay.Result) -> dict[str, Any]:
    return assay.try_ensembles(fifty(), result.json["run"], home / "storage")


def by_name(board: list[dict[str, Any]]) -> dict[str, Any]:
    return {row["name"]: (row["score"], row["low"], row["high"], row["members"], row["note"]) for row in board}


def test_fifty_combinations_are_scored(tried: dict[str, Any]) -> None:
    assert len(fifty()) == 50
    assert sum(row["kind"] == "ensemble" for row in tried["leaderboard"]) == 50
    assert tried["failed"] == {}


def test_what_the_run_judged_itself_gets_the_same_score_and_interval(
    result: assay.Result, tried: dict[str, Any]
) -> None:
    told, again = by_name(result.json["leaderboard"]), by_name(tried["leaderboard"])
    both = set(told) & set(again)
    assert sum(row["kind"] == "ensemble" for row in tried["leaderboard"] if row["name"] in both) == len(OWN)
    assert {name: told[name] for name in both} == {name: again[name] for name in both}


def test_a_stack_that_is_worse_than_the_best_member_is_refused(tried: dict[str, Any]) -> None:
    board = tried["leaderboard"]
    best = max((row for row in board if row["kind"] == "trial"), key=lambda row: row["score"])
    stacks = [row for row in board if row["name"].startswith("stack")]
    assert [row["refused"] for row in stacks] == [row["score"] < best["score"] for row in stacks]
    notes = {row["note"] for row in stacks if row["refused"]}
    assert notes == {f"refused: worse out of fold than {best['name']}"}


def test_the_result_says_how_alike_the_errors_of_the_members_are(result: assay.Result) -> None:
    found = result.json["diversity"]
    correlation = np.array(found["error_correlation"])
    assert set(found["members"]) <= {row["name"] for row in result.json["leaderboard"] if row["kind"] == "trial"}
    np.testing.assert_array_equal(correlation, correlation.T)
    assert (np.diag(correlation) == 1).all()


def test_every_fault_of_the_file_is_told_with_its_line(home: Path, result: assay.Result) -> None:
    file = home / "faulty.yaml"
    file.write_text("- vote\n- stak\n- name: greedy\n  params: {num_draws: 0}\n")
    with pytest.raises(SpecFault) as caught:
        assay.try_ensembles(file, result.json["run"], home / "storage")
    assert [fault.place for fault in caught.value.faults] == [
        f"{file}:2:3 ensembles[1]",
        f"{file}:4:12 ensembles[2].params.num_draws",
    ]


def test_an_ensemble_that_reads_the_original_columns_needs_a_run(home: Path, result: assay.Result) -> None:
    file = home / "skipping.yaml"
    file.write_text("ensembles:\n- vote\n- {name: stack, params: {skip: true}}\n")
    with pytest.raises(SpecFault, match=r"skipping.yaml:3:3 ensembles\[1\]: 'stack' reads .* so it needs a run"):
        assay.try_ensembles(file, result.json["run"], home / "storage")


def test_an_ensemble_that_fits_new_members_needs_a_run(
    home: Path, result: assay.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "growing.py").write_text("from assay.parts import Ensemble\n\nclass Own(Ensemble):\n    grows = True\n")
    monkeypatch.syspath_prepend(home)
    with pytest.raises(SpecFault, match=r"ensembles\[1\]: 'growing:Own' fits new members, so it needs a run"):
        assay.try_ensembles(["vote", "growing:Own"], result.json["run"], home / "storage")


def test_a_stack_with_skip_connections_is_judged_in_a_run(result: assay.Result) -> None:
    assert "stack(skip=True)" in set(result.leaderboard["name"])


def test_a_run_of_an_older_version_is_refused_in_words(home: Path, result: assay.Result) -> None:
    run = Storage(home / "storage").open_run(result.json["run"])
    kept = run.path("evidence.safetensors").rename(run.path("kept"))
    try:
        with pytest.raises(SpecFault, match="is of an older version, which kept no labels and folds"):
            assay.try_ensembles(["vote"], run.id, home / "storage")
    finally:
        kept.rename(run.path("evidence.safetensors"))


def test_the_verb_needs_the_folder_of_the_run_and_no_ray(home: Path, result: assay.Result) -> None:
    file = home / "two.yaml"
    file.write_text("- vote\n- {name: average, params: {weights: learned}}\n")
    program = "import sys, assay.cli; sys.modules['ray'] = None; assay.cli.main()"
    words = ["ensemble", result.json["run"], "--try", str(file), "--storage", str(home / "storage"), "--json"]
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert {"vote", "average(weights=learned)"} <= {row["name"] for row in json.loads(ended.stdout)["leaderboard"]}
