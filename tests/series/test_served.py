"""Series in requests, over real HTTP: ragged ones, tensors of one length, and what is refused by its row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.engines import serving
from assay.model import Model
from assay.store import artifact
from assay.store.releases import Release

pytestmark = pytest.mark.cluster
Walks = list[list[list[float]]]


@pytest.fixture(scope="module")
def http(
    ray_cluster: None, model: Model, free_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder = artifact.pack(tmp_path_factory.mktemp("models") / "walks", model).folder
    with (
        serving.start(Release.alone("walks", "1", Path(folder)), port=free_port) as server,
        httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client,
    ):
        yield client


def inferred(http: httpx.Client, shape: list[int], datatype: str, data: list[Any]) -> httpx.Response:
    tensor = {"name": "walk", "shape": shape, "datatype": datatype, "data": data}
    return http.post("/v2/models/walks/infer", json={"inputs": [tensor]})


def invoked(http: httpx.Client, walks: list[Any]) -> httpx.Response:
    return http.post("/invocations", json={"dataframe_records": [{"walk": walk} for walk in walks]})


def answers(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    if "outputs" in response.json():
        return list(response.json()["outputs"][0]["data"])
    return [record["prediction"] for record in response.json()["predictions"]]


def test_ragged_series_are_answered_alike_at_both_doors(http: httpx.Client, walks: Walks) -> None:
    expected = ["down", "up"] * 3
    assert answers(invoked(http, walks[:6])) == expected
    assert answers(inferred(http, [6], "BYTES", [json.dumps(walk) for walk in walks[:6]])) == expected
    columns = {"dataframe_split": {"columns": ["walk"], "data": [[walk] for walk in walks[:6]]}}
    assert answers(http.post("/invocations", json=columns)) == expected
    assert answers(http.post("/invocations", json={"inputs": {"walk": walks[:6]}})) == expected


def test_a_series_is_a_tensor_of_steps_and_channels(http: httpx.Client, walks: Walks) -> None:
    flat = [number for step in walks[1] for number in step]
    assert answers(inferred(http, [1, len(walks[1]), 2], "FP32", flat)) == ["up"]
    assert answers(inferred(http, [1, len(walks[0]), 2], "FP32", [walks[0]])) == ["down"]


def test_the_metadata_says_how_many_channels_a_step_has(http: httpx.Client) -> None:
    (told,) = http.get("/v2/models/walks").json()["inputs"]
    assert (told["name"], told["datatype"], told["shape"]) == ("walk", "FP32", [-1, -1, 2])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([[1.0, 2.0]], "fewer than 2 steps (first: row 1)"),
        (None, "fewer than 2 steps (first: row 1)"),
        ([[1.0, 2.0], [1.0]], "steps have 1 to 2 channels (first change: row 1)"),
        ([["a", "b"]], "in row 1"),
        ("loud", "in row 1"),
    ],
)
def test_a_bad_series_is_named_by_its_row(http: httpx.Client, walks: Walks, bad: Any, said: str) -> None:
    response = invoked(http, [walks[0], bad])
    assert response.status_code == 400
    assert "column 'walk'" in response.json()["error"]
    assert said in response.json()["error"]


def test_text_that_is_no_series_is_named_by_its_row(http: httpx.Client, walks: Walks) -> None:
    response = inferred(http, [2], "BYTES", [json.dumps(walks[0]), "[[1, 2"])
    assert response.status_code == 400
    assert "in row 1, expected a list of numbers as JSON" in response.json()["error"]


def test_stretches_of_a_series_add_up_and_the_channel_that_rises_speaks(http: httpx.Client, walks: Walks) -> None:
    body = {"instances": [{"walk": walk} for walk in walks[:6]]}
    predicted = http.post("/v1/models/walks:predict", json=body)
    assert answers(predicted) == ["down", "up"] * 3
    found = http.post("/v1/models/walks:explain", json={**body, "parameters": {"class": "up"}}).json()["explanations"]
    size = {0: 0.0, 1: 0.0}
    for explanation in found:
        parts = {part["column"]: part["contribution"] for part in explanation["contributions"]}
        assert explanation["base"] + sum(parts.values()) == pytest.approx(explanation["value"], abs=1e-9)
        for channel in size:
            size[channel] += sum(abs(share) for name, share in parts.items() if name.endswith(f", {channel}]"))
    assert size[0] > size[1]
