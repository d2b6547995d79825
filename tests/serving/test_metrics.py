"""What the server counts: by route and version, in Prometheus' own words, of all replicas, and never backwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from assay.engines.serving import Scale
from assay_serving.metrics import Metrics
from assay_serving.metrics_hub import FORGET_S, Hub
from assay_serving.settings import ModelPlan, Plan, VersionRef

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """Return every sample by name and labels; fails on what Prometheus' own parser does not read."""
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value for (key, found), value in samples.items() if key == name and labels.items() <= dict(found).items()
    )


@pytest.fixture
def app(open_app: Any, folders: dict[str, Path]) -> Any:
    """An application that has counted nothing yet."""
    return open_app(folders["mixed"])


def test_requests_are_counted_by_template_and_status(app: Any, row: dict[str, Any]) -> None:
    for path in ("/v2/models/m", "/v2/models/m/versions/1", "/v2/models/other"):
        app.get(path)
    found = read(app.get("/metrics").text)
    assert total(found, "assay_requests_total", route="/v2/models/{name}", method="GET", status="200") == 1
    assert total(found, "assay_requests_total", route="/v2/models/{name}", status="404") == 1
    assert total(found, "assay_request_seconds_count", route="/v2/models/{name}") == 2


def test_rows_and_calls_are_counted_by_version(app: Any, row: dict[str, Any]) -> None:
    app.together(*[("POST", "/invocations", {"json": {"dataframe_records": [row] * 3}})] * 4)
    found = read(app.get("/metrics").text)
    assert total(found, "assay_predicted_rows_total", model="m", version="1") == 12
    assert total(found, "assay_predictions_total", model="m", version="1", role="champion") == 4
    assert total(found, "assay_predict_call_rows_sum", model="m") == 12
    assert total(found, "assay_predict_call_requests_sum") == 4
    assert total(found, "assay_model_loads_total", model="m", outcome="loaded") == 1
    assert total(found, "assay_requests_in_progress") == 1  # the one that asks


def test_what_a_canary_answers_is_counted_as_its(app: Any, folders: dict[str, Path], row: dict[str, Any]) -> None:
    role = {kind: VersionRef(version=str(number), path=str(folders["mixed"])) for kind, number in (("a", 1), ("b", 2))}
    plan = ModelPlan(name="m", champion=role["a"], canary=role["b"], canary_share=1.0)
    app.runner.run(app.desk.switch(Plan(models=[plan])))
    app.post("/invocations", json={"dataframe_records": [row]})
    assert total(read(app.get("/metrics").text), "assay_predictions_total", version="2", role="canary") == 1


def test_a_version_that_cannot_be_loaded_is_counted(app: Any, tmp_path: Path) -> None:
    app.runner.run(app.desk.switch(Plan.alone("m", "2", str(tmp_path))))
    assert total(read(app.get("/metrics").text), "assay_model_loads_total", version="2", outcome="refused") == 1


def test_what_was_refused_for_want_of_room_is_counted(app: Any, row: dict[str, Any]) -> None:
    answers = app.together(*[("POST", "/invocations", {"json": {"dataframe_records": [row]}})] * 400)
    refused = sum(answer.status_code == 503 for answer in answers)
    assert 0 < refused == total(read(app.get("/metrics").text), "assay_refused_requests_total", status="503")


def test_strange_paths_and_methods_make_no_series_of_their_own(app: Any) -> None:
    for number in range(20):
        app.get(f"/nowhere/{number}")
        app.request(f"METHOD{number}", "/v2")
    samples = read(app.get("/metrics").text)
    routes = {
        (dict(labels)["method"], dict(labels)["route"]) for name, labels in samples if name == "assay_requests_total"
    }
    assert routes == {("GET", "unmatched"), ("other", "/v2")}


def test_the_process_is_told_of(app: Any) -> None:
    found = read(app.get("/metrics").text)
    assert total(found, "process_resident_memory_bytes") > 1e7
    assert total(found, "process_cpu_seconds_total") > 0


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0", "*/*"])
def test_each_form_that_prometheus_asks_for_is_given(app: Any, accept: str) -> None:
    answer = app.get("/metrics", headers={"accept": accept})
    form = "application/openmetrics-text" if "openmetrics" in accept else "text/plain"
    assert answer.headers["content-type"].startswith(form)


def of(app: Any) -> Metrics:
    found: Metrics = app.app.state.metrics
    return found


def test_the_hub_keeps_the_newest_of_each_replica(app: Any) -> None:
    hub = Hub()
    first, second = [of(app).families(), of(app).families()]
    hub.tell("a", 2, second)
    hub.tell("a", 1, first)  # came late
    assert hub.ask("b", 1, [])["a"] is second


def test_the_hub_forgets_a_replica_that_is_gone() -> None:
    now_s = [0.0]
    hub = Hub(lambda: now_s[0])
    hub.tell("gone", 1, [])
    now_s[0] = FORGET_S + 1
    assert list(hub.ask("here", 1, [])) == ["here"]


@pytest.fixture
def two_replicas(served: Any) -> Iterator[Any]:
    """The shared server with two replicas; with one again after the test."""
    before = served.scale
    served.scale = Scale(num_replicas=2)
    served.switch(*served.releases)
    yield served
    served.scale = before
    served.switch(*served.releases)


@pytest.mark.cluster
def test_every_scrape_is_of_all_replicas_and_no_count_falls(two_replicas: Any, row: dict[str, Any]) -> None:
    last: Samples = {}
    fallen: list[Any] = []
    seen = [0]
    asked, until = 0, time.monotonic() + 5
    while time.monotonic() < until:
        if asked == 5:
            two_replicas.admit(None)  # deploys anew, which must not start the counting anew
        with httpx.Client(base_url=two_replicas.url, timeout=30.0, trust_env=False) as client:
            asked += client.post("/invocations", json={"dataframe_records": [row]}).is_success
            found = read(client.get("/metrics").text)
        fallen += [
            key for key, value in last.items() if key[0].endswith(("_total", "_count")) and found.get(key, 0) < value
        ]
        last = found
        seen.append(len({dict(labels)["replica"] for _, labels in found}))
    assert (seen[-1], seen, fallen) == (2, sorted(seen), [])
    time.sleep(2.5)  # what the other replica had not told yet
    assert total(read(httpx.get(f"{two_replicas.url}/metrics").text), "assay_predicted_rows_total") == asked
