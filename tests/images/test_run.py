"""A run on folders of images, end to end: broken files skipped and counted, a model that reads other forms of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from bars import bars, save

import assay
from assay.store.runs import Run, Storage
from assay.workflows.predicting import Source, predict

pytestmark = pytest.mark.cluster
NUM_ROWS, NUM_BROKEN = 90, 2
NET = {"name": "cnn", "params": {"num_epochs": 6, "width": 8}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images to learn from, two of them broken, and images to predict."""
    place = tmp_path_factory.mktemp("images")
    save(place / "train", NUM_ROWS)
    for file in sorted((place / "train" / "lying").iterdir())[:NUM_BROKEN]:
        file.write_bytes(file.read_bytes()[:90])
    save(place / "new", 20, seed=3)
    return place


def settings(home: Path, **data: Any) -> dict[str, Any]:
    return {
        "experiment": "bars",
        "data": {"train": str(home / "train"), "label": "label", **data},
        "metric": "accuracy",
        "split": {"folds": 2, "repeats": 1},
        "algorithms": [NET, "svm"],
        "search": {"trials": 2},
        "ensembles": ["vote"],
        "final": {"choose": "vote"},
        "compute": {"cpus": 4},
    }


@pytest.fixture(scope="module")
def result(home: Path, ray_cluster: None) -> assay.Result:
    return assay.Experiment(**settings(home, broken="skip")).run(home / "storage")


def run_of(home: Path, result: assay.Result) -> Run:
    return Storage(home / "storage").open_run(result.json["run"])


def test_a_broken_file_stops_the_run_by_its_name(home: Path, ray_cluster: None) -> None:
    with pytest.raises(assay.errors.DataFault, match=r"lying/0000\.png: is not a whole image"):
        assay.Experiment(**settings(home)).run(home / "stopped")
    assert not (home / "stopped" / "runs").exists()


def test_a_net_and_a_kernel_are_joined_in_one_model(result: assay.Result) -> None:
    assert result.json["winner"] == "vote"
    scores = result.leaderboard.set_index("name")["score"]
    assert scores[[name for name in scores.index if name.startswith("cnn")]].max() > 0.9
    assert {member.algorithm for member in result.model.members} == {"cnn", "svm"}
    assert result.test["accuracy"]["score"] > 0.9


def test_rows_that_were_skipped_are_counted(home: Path, result: assay.Result) -> None:
    (told,) = [event.data for event in run_of(home, result).events.read() if event.type == "profiled"]
    assert told["skipped_rows"] == NUM_BROKEN
    assert told["train_rows"] + told["test_rows"] == NUM_ROWS - NUM_BROKEN
    assert told["columns"] == {"image": "image"}


def test_folders_tables_and_archives_are_predicted_alike(home: Path, result: assay.Result) -> None:
    image_NHW, labels = bars(20, seed=3)
    files = [f"new/{label}/{place:04d}.png" for place, label in enumerate(labels)]
    pacsv.write_csv(pa.table({"image": files}), home / "new.csv")
    pq.write_table(pa.table({"image": [(home / file).read_bytes() for file in files]}), home / "new.parquet")
    np.savez(home / "new.npz", image=image_NHW)
    folder, storage = str(run_of(home, result).model), Storage(home / "storage")
    said = {}
    for name in ("new.csv", "new.parquet", "new.npz", "new"):
        predict(folder, Source([str(home / name)]), home / "said.parquet", storage, force=True)
        said[name] = pq.read_table(home / "said.parquet").column("prediction").to_pylist()
    assert said["new.csv"] == said["new.parquet"] == said["new.npz"] == labels
    assert said["new"] == sorted(labels)


def test_a_broken_image_to_predict_is_named(home: Path, result: assay.Result) -> None:
    rows = pa.table({"image": [b"none", (home / "new" / "lying" / "0000.png").read_bytes()]})
    pq.write_table(rows, home / "broken.parquet")
    with pytest.raises(assay.errors.DataFault, match=r"column 'image': .*row 0"):
        predict(
            str(run_of(home, result).model),
            Source([str(home / "broken.parquet")]),
            home / "said.parquet",
            Storage(home / "storage"),
            force=True,
        )
