"""Ensembles that fit their own members, end to end: judged, packed as they were fitted, loaded and served."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import assay
from assay import catalog
from assay.batch import from_matrix
from assay.engines import objects
from assay.engines.fleet import Fleet, Task, judged
from assay.engines.folds import Folds
from assay.engines.growing import Ground
from assay.engines.local_fleet import LocalFleet
from assay.parts import Evidence, Learned
from assay.vocabulary import Shelf
from assay.vocabulary import Task as Word
from assay_serving.app import create_app
from assay_serving.desk import Desk
from assay_serving.settings import Plan

pytestmark = pytest.mark.cluster
NUM_ROWS = 400
FRESH = """
import sys
from pathlib import Path
import numpy as np
import pyarrow.csv as pacsv
from assay.store import artifact
np.save(sys.argv[3], artifact.load(Path(sys.argv[1])).predict(pacsv.read_csv(sys.argv[2])))
"""


def table() -> pa.Table:
    """Return rows whose label is a noisy sum, so that the one nearest neighbour says little."""
    draw = np.random.default_rng(0)
    x_NF, town_N = draw.normal(size=(NUM_ROWS, 5)), draw.choice(["Rome", "Oslo", "Lima"], NUM_ROWS)
    pull_N = x_NF[:, 0] + x_NF[:, 1] - x_NF[:, 2] + (town_N == "Rome") + draw.normal(size=NUM_ROWS)
    columns: dict[str, Any] = {f"x{index}": x_N for index, x_N in enumerate(x_NF.T)}
    return pa.table({**columns, "town": town_N, "left": np.where(pull_N > 0.3, "yes", "no")})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("growing")
    pacsv.write_csv(table(), folder / "rows.csv")
    return folder


@pytest.fixture(scope="module")
def result(home: Path, ray_cluster: None) -> assay.Result:
    """A run with a single trial, of the nearest neighbour, and three ensembles that fit members of their own."""
    return assay.Experiment(
        experiment="growing",
        data={"train": str(home / "rows.csv"), "label": "left"},
        split={"folds": 3},
        algorithms=[{"name": "k_nearest_neighbours", "params": {"num_neighbours": 1}}],
        search={"trials": 1},
        ensembles=[
            {"name": "bag", "params": {"num_members": 3}},
            {"name": "subspace", "params": {"members": ["decision_tree", "logistic_regression"], "features": 0.8}},
            {"name": "boost", "params": {"num_members": 5}},
        ],
    ).run(home / "storage")


def folder_of(home: Path, result: assay.Result) -> Path:
    return home / "storage" / "runs" / result.json["run"] / "model"


def test_each_is_judged_beside_the_trial_and_lists_its_learners(result: assay.Result) -> None:
    rows = {row["name"].partition("(")[0]: row for row in result.json["leaderboard"] if row["kind"] == "ensemble"}
    assert set(rows["bag"]["members"]) == {"k_nearest_neighbours-00"}
    assert len(rows["bag"]["members"]) == 3
    assert set(rows["subspace"]["members"]) == {"decision_tree", "logistic_regression"}
    assert set(rows["boost"]["members"]) == {"decision_tree"}
    assert all(row["fit_s"] > 0 and row["score"] > 0.5 for row in rows.values())


def test_the_winner_keeps_the_members_that_it_was_given(home: Path, result: assay.Result) -> None:
    assert result.json["winner"].startswith("subspace")
    members = result.model.members
    assert [member.algorithm for member in members] == ["decision_tree", "logistic_regression"] * 5
    assert all(member.features for member in members)
    assert {member.recipe for member in members} == {"codes", "dense"}
    assert result.test["roc_auc"]["score"] > 0.6


def test_a_fresh_process_predicts_the_same(home: Path, result: assay.Result) -> None:
    words = [str(folder_of(home, result)), str(home / "rows.csv"), str(home / "said.npy")]
    subprocess.run([sys.executable, "-c", FRESH, *words], check=True)
    np.testing.assert_allclose(np.load(home / "said.npy"), result.model.predict(table()), rtol=1e-12)


def test_the_server_answers_with_its_predictions(home: Path, result: assay.Result) -> None:
    async def ask() -> Any:
        desk = Desk()
        await desk.switch(Plan.alone("growing", "1", str(folder_of(home, result))))
        transport = httpx.ASGITransport(create_app(desk, None))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            rows = table().slice(0, 3).to_pylist()
            return (await client.post("/invocations", json={"dataframe_records": rows})).json()["predictions"]

    said = [row["probability_yes"] for row in asyncio.run(ask())]
    np.testing.assert_allclose(said, result.model.predict(table())[:3, 1], rtol=1e-6)


def test_a_run_that_is_taken_up_grows_the_same_model(home: Path, result: assay.Result) -> None:
    folder = folder_of(home, result)
    before = result.model.predict(table())
    (folder.parent / "result.json").unlink()
    shutil.rmtree(folder)
    again = assay.resume(result.json["run"], home / "storage")
    assert [row["score"] for row in again.json["leaderboard"]] == [row["score"] for row in result.json["leaderboard"]]
    np.testing.assert_array_equal(again.model.predict(table()), before)


def test_actors_and_this_process_learn_the_same_bits(ray_cluster: None) -> None:
    draw = np.random.default_rng(0)
    batch = from_matrix(draw.normal(size=(200, 4)), draw.integers(0, 2, 200), num_classes=2)
    fold_N, nothing_MNK = np.arange(200) % 3, np.zeros((1, 200, 2), np.float32)
    metric, split = catalog.make(Shelf.METRICS, "roc_auc"), catalog.make(Shelf.SPLITS, "shuffled")
    learners = (("decision_tree", {}),)
    given = Evidence(("tree-00",), nothing_MNK, batch.label_N, fold_N, Word.BINARY, metric, learners)
    recipe_of, probes = {"decision_tree": "plain"}, {"plain": batch.take(np.arange(9))}
    folds = Folds(split, fold_N[None], int(fold_N.max()) + 1)
    here = Ground({"plain": batch}, recipe_of, {"decision_tree": 4}, probes, batch.label_N, folds)
    tasks = [Task(key, {"num_members": 4}, fold) for key in ("bag", "subspace", "boost") for fold in (0, None)]
    with Fleet(num_cpus=2, threads=1) as fleet:
        there = fleet.learn(tasks, given, 7, replace(here, batches={"plain": objects.put(batch)}))
    for one, other in zip(there, LocalFleet().learn(tasks, given, 7, here), strict=True):
        assert isinstance(one, Learned)
        assert isinstance(other, Learned)
        assert one.values == other.values
        np.testing.assert_array_equal(judged(one), judged(other))
