"""A real server keeps what it answered, takes labels for it, and `assay drift` reads both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

import assay
from assay.engines import serving
from assay.engines.serving import Keeping
from assay.store import artifact, prediction_log
from assay.store.registry import Registry
from assay.store.releases import Release
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from measuring.simulated import Stream, fitted

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage that holds `clicks/1`, trained on 800 rows."""
    home = tmp_path_factory.mktemp("log")
    stream = Stream(seed=0)
    trained = fitted(stream.rows(800), stream.rows(200))
    artifact.pack(home / "clicks", trained.model, trained.reference)
    found = Storage(home / "storage")
    registry = Registry(Tracking(None, found.root))
    registry.register("clicks", home / "clicks", run_id="run", experiment="clicks", tags=trained.tags)
    return found


@pytest.fixture
def server(ray_cluster: None, storage: Storage, free_port: int) -> Iterator[serving.Server]:
    """`clicks/1` on two replicas, with all requests kept."""
    release = Release.alone("clicks", "1", Registry(Tracking(None, storage.root)).artifact_path("clicks", "1"))
    scale = serving.Scale(num_replicas=2)
    with serving.start(release, port=free_port, scale=scale, keeping=Keeping(storage.root, 1.0)) as found:
        yield found


def ask(client: httpx.Client, rows: pa.Table) -> str:
    """Ask for rows and return the id of the request."""
    answer = client.post("/invocations", json={"dataframe_records": rows.drop_columns(["y"]).to_pylist()})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"].split(",")[0]


def label(client: httpx.Client, request_id: str, rows: pa.Table) -> dict[str, Any]:
    """Send the true labels of a request."""
    body = {"model": "clicks", "request_id": request_id, "labels": rows["y"].to_pylist()}
    found: dict[str, Any] = client.post("/feedback", json=body).raise_for_status().json()
    return found


def test_drift_reads_what_a_server_answered_and_was_told(server: serving.Server, storage: Storage) -> None:
    with httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client:
        rows = [Stream(seed).rows(20, "covariate") for seed in range(20)]
        ids = [ask(client, some) for some in rows]
        told = [label(client, request_id, some) for request_id, some in zip(ids[:10], rows, strict=False)]
        assert told == [{"model": "clicks", "stored": 20, "in_log": 20}] * 10
        server.keep(Keeping(storage.root, 0.0))  # while it runs
        unkept = ask(client, rows[0])
        assert label(client, unkept, rows[0])["in_log"] == 0
    server.stop()  # writes what is held
    found = assay.drift("clicks", storage=storage.root)
    assert (found["source"], found["rows"], found["score"]["rows"]) == ("the prediction log", 400, 200)
    assert {"a", "b", "c"} <= {column["name"] for column in found["columns"] if column["drifted"]}
    assert unkept not in prediction_log.read(storage, "clicks", 1)["request_id"].to_pylist()
