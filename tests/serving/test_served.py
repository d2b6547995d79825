"""A model behind a real Ray Serve: over HTTP, under load, switched while it answers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.engines import serving
from assay.errors import ArtifactFault, ClusterFault, SpecFault
from assay.store.releases import Release

cluster = pytest.mark.cluster


@cluster
def test_both_doors_answer_alike(http: httpx.Client, row: dict[str, Any]) -> None:
    kinds = ["INT64", "BYTES", "BOOL", "BYTES", "BYTES"]
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [value]}
        for (name, value), kind in zip(row.items(), kinds, strict=True)
    ]
    inferred = http.post("/v2/models/demo/infer", json={"inputs": inputs}).json()["outputs"]
    invoked = http.post("/invocations", json={"dataframe_records": [row]}).json()["predictions"][0]
    assert [output["data"][0] for output in inferred] == [invoked["prediction"], invoked["probability_over"]]


@cluster
def test_the_doors_for_health_are_open(http: httpx.Client) -> None:
    paths = ["/v2/health/live", "/v2/health/ready", "/v2/models/demo/ready", "/ping", "/health", "/version"]
    assert [http.get(path).status_code for path in paths] == [200] * len(paths)


@cluster
@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "/v2/models/other", {}, 404),
        ("DELETE", "/v2", {}, 405),
        ("POST", "/invocations", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("POST", "/invocations", {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
        ("POST", "/v2/models/demo/infer", {"content": b" " * (17 * 2**20)}, 413),
        ("POST", "/v2/models/demo/infer", {"json": {"inputs": 3}}, 400),
    ],
)
def test_every_error_is_json_over_the_wire(
    http: httpx.Client, method: str, path: str, options: Any, status: int
) -> None:
    answer = http.request(method, path, **options)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert "x-assay-version" in answer.headers


@cluster
def test_one_bad_request_among_32_at_once_fails_alone(http: httpx.Client, row: dict[str, Any]) -> None:
    def ask(index: int) -> httpx.Response:
        return http.post("/invocations", json={"dataframe_records": [{**row, "age": "old" if index == 7 else index}]})

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))
    assert [index for index, answer in enumerate(answers) if answer.status_code != 200] == [7]
    assert "'age'" in answers[7].json()["error"]


@cluster
def test_mlflow_s_own_client_is_served(served: Any, row: dict[str, Any]) -> None:
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    url = httpx.URL(served.url)
    client = ScoringServerClient(url.host, url.port)
    client.ping()
    frame = client.invoke(pd.DataFrame([row, {**row, "age": None}])).get_predictions()
    assert frame["prediction"].tolist()[0] == "over"


@cluster
def test_switching_versions_under_load_fails_no_request(
    served: Any, folders: dict[str, Path], row: dict[str, Any]
) -> None:
    found: Counter[tuple[int, str]] = Counter()
    enough = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=served.url, timeout=30.0, trust_env=False) as client:
            while not enough.is_set():
                answer = client.post("/invocations", json={"dataframe_records": [row]})
                found[answer.status_code, answer.headers["x-assay-version"]] += 1

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(load) for _ in range(4)]
        served.switch(Release.alone("demo", "2", folders["mixed"]))
        served.switch(Release.alone("demo", "3", folders["mixed"]))
        enough.set()
    assert [client.exception() for client in clients] == [None] * 4
    assert {status for status, _ in found} == {200}
    assert {version for _, version in found} >= {"1", "2"}


@cluster
def test_a_changed_artifact_is_refused_and_the_version_at_work_stays(
    served: Any, http: httpx.Client, folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["mixed"], tmp_path / "changed")
    (tmp_path / "changed" / "profile.json").write_text("{}")
    with pytest.raises(ArtifactFault, match=r"profile\.json"):
        served.switch(Release.alone("demo", "9", tmp_path / "changed"))
    assert http.get("/v2").headers["x-assay-version"] == served.releases[0].champion.version


@cluster
def test_one_cluster_listens_on_one_port_and_says_which(served: Any, folders: dict[str, Path]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = int(probe.getsockname()[1])
    with pytest.raises(ClusterFault, match=f"--port {httpx.URL(served.url).port}"):
        serving.start(Release.alone("demo", "1", folders["mixed"]), port=other)
    assert httpx.get(f"{served.url}/v2").status_code == 200


def test_a_port_in_use_is_said_before_ray_starts(folders: dict[str, Path]) -> None:
    import ray

    before = ray.is_initialized()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClusterFault, match=f"port {port}: is in use.*--port"):
            serving.start(Release.alone("demo", "1", folders["mixed"]), port=port)
    assert ray.is_initialized() == before


def test_an_open_host_without_a_token_is_refused(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_SERVE_TOKEN", raising=False)
    with pytest.raises(SpecFault, match="ASSAY_SERVE_TOKEN"):
        serving.start(Release.alone("demo", "1", folders["mixed"]), host="0.0.0.0")


def test_a_name_that_fits_no_url_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(SpecFault, match=r"serve\.params\.models\.0\.name: got text 'my/model'"):
        serving.start(Release.alone("my/model", "1", folders["mixed"]))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactFault, match=r"manifest\.json"):
        serving.start(Release.alone("demo", "1", tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_ends_with_a_signal(number: signal.Signals) -> None:
    handler = signal.getsignal(number)
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    serving.Server("", "demo", "1", connected_here=False).wait()
    assert signal.getsignal(number) is handler
