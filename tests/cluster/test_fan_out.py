"""An ensemble whose members are divided among processes of a real Ray Serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.engines import serving
from assay.model import Combination, Member, Model
from assay.parts import Learned
from assay.recipe import Recipe
from assay.store import artifact
from assay.store.releases import Release
from assay.vocabulary import Shelf

pytestmark = pytest.mark.cluster
NUM_MEMBERS, NUM_PROCESSES = 3, 2


def ensemble() -> tuple[Model, pa.Table]:
    """Return the mean of three trees, and rows for it."""
    x_N = np.linspace(0.0, 1.0, 200)
    table = pa.table({"x": x_N, "y": np.sin(6 * x_N)})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(table, np.arange(200), 0), "y", None, {}, None)
    batch = kind.to_batch(table, profile).packed()
    tree = {depth: catalog.make(Shelf.ALGORITHMS, "decision_tree", {"max_depth": depth}) for depth in (2, 4, 6)}
    members = tuple(
        Member(f"tree-{depth}", "decision_tree", {"max_depth": depth}, "codes", part.fit(batch, seed=0))
        for depth, part in tree.items()
    )
    return Model("tabular", profile, {"codes": Recipe(())}, members, Combination("average", {}, Learned())), table


@pytest.fixture(scope="module")
def served(ray_cluster: None, free_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = artifact.pack(tmp_path_factory.mktemp("ensemble") / "1", ensemble()[0]).folder
    scale = serving.Scale(fan_out=NUM_PROCESSES, member_deadline_s=5.0)  # nobody is late on a busy machine
    with serving.start(Release.alone("m", "1", folder), port=free_port, scale=scale) as server:
        yield server


def invoked(server: Any) -> httpx.Response:
    rows = ensemble()[1].drop_columns(["y"]).to_pylist()
    return httpx.post(f"{server.url}/invocations", json={"dataframe_records": rows}, timeout=30, trust_env=False)


def test_members_in_other_processes_say_what_the_whole_model_says(served: Any) -> None:
    model, table = ensemble()
    answer = invoked(served)
    found_N = [one["prediction"] for one in answer.json()["predictions"]]
    assert found_N == model.predict(table)[:, 0].tolist()
    assert "x-assay-degraded" not in answer.headers


def test_each_member_process_is_a_deployment_of_its_own(served: Any) -> None:
    from ray import serve

    assert {*serve.status().applications["assay"].deployments} == {"Model", "Member-0", "Member-1"}


def test_a_switched_version_is_whole_from_its_first_answer_on(served: Any, tmp_path: Path) -> None:
    served.switch(Release.alone("m", "2", artifact.pack(tmp_path / "2", ensemble()[0]).folder))
    answer = invoked(served)
    assert (answer.status_code, answer.headers["x-assay-version"]) == (200, "2")
    assert "x-assay-degraded" not in answer.headers
