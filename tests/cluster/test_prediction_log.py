"""A real server keeps what it answered, takes labels for it, and `assay drift` reads both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import assay
from assay.engines import serving
from assay.engines.keeping import Keeping
from assay.store import artifact, prediction_log
from assay.store.registry import Registry
from assay.store.releases import Release
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from assay_serving.client import Client, Feedback
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


def test_drift_reads_what_a_server_answered_and_was_told(server: serving.Server, storage: Storage) -> None:
    with Client(server.url, model="clicks") as client:
        asked = [Stream(seed).rows(20, "covariate") for seed in range(20)]
        answers = [client.predict(rows.drop_columns(["y"])) for rows in asked]
        told = [client.feedback(found, rows["y"]) for found, rows in zip(answers[:10], asked, strict=False)]
        assert told == [Feedback("clicks", stored=20, in_log=20)] * 10
        server.keep(Keeping(storage.root, 0.0))  # while it runs
        unkept = client.predict(asked[0].drop_columns(["y"]))
        assert client.feedback(unkept, asked[0]["y"]).in_log == 0
    server.stop()  # writes what is held
    found = assay.drift("clicks", storage=storage.root)
    assert (found["source"], found["rows"], found["score"]["rows"]) == ("the prediction log", 400, 200)
    assert {"a", "b", "c"} <= {column["name"] for column in found["columns"] if column["drifted"]}
    assert unkept.request_id not in prediction_log.read(storage, "clicks", 1)["request_id"].to_pylist()
