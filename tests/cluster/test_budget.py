"""A time budget ends a run in time, and what it left out is written down: the same run can be had again without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
from assay.store.runs import Storage

pytestmark = pytest.mark.cluster
BUDGET_S, NUM_ROWS = 30.0, 400
NUM_FIRST = 4  # trials handed out before any has ended


def settings(train: Path, **changed: Any) -> dict[str, Any]:
    return {
        "experiment": "timed",
        "seed": 3,
        "data": {"train": str(train), "label": "y"},
        "algorithms": ["decision_tree", "ridge", "lightgbm"],
        "search": {"trials": 500, "time_budget_s": BUDGET_S},
        **changed,
    }


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with a curve that trees learn and a line that does better on half of it."""
    draw = np.random.default_rng(0)
    x_ND = draw.normal(size=(NUM_ROWS, 4))
    y_N = x_ND[:, 0] + np.abs(x_ND[:, 1]) + 0.3 * draw.normal(size=NUM_ROWS)
    file = tmp_path_factory.mktemp("timed") / "rows.parquet"
    pq.write_table(pa.table({**{f"x{index}": x_ND[:, index] for index in range(4)}, "y": y_N}), file)
    return file


@pytest.fixture(scope="module")
def timed(train: Path, ray_cluster: None) -> assay.Result:
    return assay.Experiment(**settings(train)).run(train.parent / "storage")


def board(found: assay.Result) -> list[tuple[Any, ...]]:
    return [(row["name"], row["score"], row["low"], row["high"]) for row in found.json["leaderboard"]]


def test_a_run_with_a_time_budget_is_final_in_time(timed: assay.Result) -> None:
    run = Storage(timed.json["storage"]).open_run(timed.json["run"])
    (packed_s,) = [event.data["elapsed_s"] for event in run.events.read() if event.type == "packed"]
    counted = timed.json["trials"]["counted"]
    assert packed_s <= BUDGET_S + 5 or counted <= NUM_FIRST  # a machine too slow for more than the first trials
    assert counted < 500


def test_its_replay_gives_the_same_leaderboard_and_the_same_test(timed: assay.Result, train: Path) -> None:
    run = Storage(timed.json["storage"]).open_run(timed.json["run"])
    replayed = assay.Experiment.from_file(run.path("replay.yaml")).run(train.parent / "again")
    assert board(replayed) == board(timed)
    assert replayed.test == timed.test
    assert replayed.json["winner"] == timed.json["winner"]


def test_models_of_folds_become_the_members(train: Path, ray_cluster: None) -> None:
    asked = settings(train, search={"trials": 4}, final={"fit": "folds"}, split={"folds": 3})
    model = assay.Experiment(**asked).run(train.parent / "folds").model
    names = [member.name for member in model.members]
    assert len(names) == 3 * len(set(names))


def test_a_holdout_keeps_its_models(train: Path, ray_cluster: None) -> None:
    asked = settings(train, search={"trials": 4}, split={"folds": 1})
    found = assay.Experiment(**asked).run(train.parent / "holdout")
    assert len(found.model.members) == len({member.name for member in found.model.members})
    assert Storage(found.json["storage"]).open_run(found.json["run"]).exists("trials/0000/model-0.safetensors")
