"""What the log keeps of images, and how `assay drift` watches a model whose rows are not kept whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe
from assay.store import artifact, prediction_log
from assay.store.registry import Registry
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from assay.vocabulary import Shelf
from assay_serving.logbook import Logbook
from assay_serving.settings import LogPlan, Plan

SIDE = 12
PARAMS = {"num_epochs": 1, "width": 8}


def pictures(num_rows: int, brightness: int) -> list[list[list[int]]]:
    """Return grey images of about this brightness, as pixels."""
    image_NHW = np.random.default_rng(brightness).normal(brightness, 12, (num_rows, SIDE, SIDE)).clip(0, 255)
    found: list[list[list[int]]] = image_NHW.astype(np.uint8).tolist()
    return found


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage that holds `photos/1`."""
    home = tmp_path_factory.mktemp("photos")
    spread = [pictures(1, 60 + place)[0] for place in range(120)]
    rows = pa.table({"photo": pa.array(spread, pa.list_(pa.list_(pa.uint8()))), "says": ["cat", "dog"] * 60})
    kind = catalog.make(Shelf.KINDS, "image")
    profile = kind.profile(kind.summarise(rows, np.arange(120), 0), "says", None, {}, None)
    fitted = catalog.make(Shelf.ALGORITHMS, "cnn", PARAMS).fit(kind.to_batch(rows, profile).packed(), seed=0)
    model = Model("image", profile, {"raw": Recipe(())}, (Member("cnn", "cnn", PARAMS, "raw", fitted),))
    found = Storage(home / "storage")
    artifact.pack(home / "photos", model)
    tracking = Tracking(None, found.root)
    Registry(tracking).register("photos", home / "photos", run_id="run", experiment="photos", tags={})
    return found


def test_of_images_the_brightness_is_kept_and_drift_compares_it(storage: Storage, open_app: Any) -> None:
    folder: Path = Registry(Tracking(None, storage.root)).artifact_path("photos", "1")
    app = open_app(folder)
    app.runner.run(app.desk.switch(Plan.alone("photos", "1", str(folder))))
    logbook = Logbook(app.desk)
    logbook.follow(LogPlan(storage=str(storage.root), share=1.0))
    app.desk.watching.append(logbook.watch)
    app.post("/invocations", json={"instances": pictures(80, 230)})
    logbook.close()
    assert prediction_log.read(storage, "photos", 1)["photo"].to_pylist() == pytest.approx([230] * 80, abs=4)
    found = assay.drift("photos", storage=storage.root)
    assert [(column["name"], column["drifted"]) for column in found["columns"]] == [("photo", True)]
    assert found["prediction"] is not None
