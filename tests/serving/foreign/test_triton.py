"""Triton's HTTP client, at its default options, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

pytestmark = pytest.mark.cluster
PEOPLE = {
    "age": np.array([61.0, 20.0]), "city": np.array(["Rome", "Łódź"], object), "member": np.array([True, False]),
    "joined": np.array(["2024-05-17"] * 2, object), "note": np.array(["good fast", "red"], object),
}  # fmt: skip


@pytest.fixture
def client(served: Any) -> Iterator[triton.InferenceServerClient]:
    """A client as its documentation opens one."""
    with triton.InferenceServerClient(served.url.removeprefix("http://").rstrip("/")) as client:
        yield client


def tensors(*, binary: bool = True) -> list[triton.InferInput]:
    found = []
    for name, array in PEOPLE.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        found.append(tensor)
    return found


def words(answer: triton.InferResult) -> list[str]:
    return [word.decode() if isinstance(word, bytes) else word for word in answer.as_numpy("prediction").tolist()]


def test_the_server_and_the_model_are_live_and_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("demo")
    assert client.is_model_ready("demo", "1")
    assert not client.is_model_ready("unknown")


def test_the_server_tells_its_extensions(client: triton.InferenceServerClient) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]


@pytest.mark.parametrize("version", ["", "1"])
def test_the_model_is_described(client: triton.InferenceServerClient, version: str) -> None:
    about = client.get_model_metadata("demo", version)
    assert {tensor["name"] for tensor in about["inputs"]} == set(PEOPLE)
    assert client.get_model_config("demo", version)["name"] == "demo"


def test_the_index_names_the_model(client: triton.InferenceServerClient) -> None:
    index = client.get_model_repository_index()
    assert [(entry["name"], entry["version"], entry["state"]) for entry in index] == [("demo", "1", "READY")]


def test_statistics_are_told_of_one_model_and_of_all(client: triton.InferenceServerClient) -> None:
    for found in (client.get_inference_statistics("demo"), client.get_inference_statistics()):
        assert [entry["name"] for entry in found["model_stats"]] == ["demo"]


@pytest.mark.parametrize("version", ["", "1"])
@pytest.mark.parametrize("binary", [True, False])
def test_tensors_are_answered(client: triton.InferenceServerClient, binary: bool, version: str) -> None:
    wished = None if binary else [triton.InferRequestedOutput("prediction", binary_data=False)]
    answer = client.infer("demo", tensors(binary=binary), version, outputs=wished)
    assert words(answer) == ["over", "under"]


@pytest.mark.parametrize("form", ["gzip", "deflate"])
def test_compressed_requests_and_answers_are_read(client: triton.InferenceServerClient, form: str) -> None:
    answer = client.infer(
        "demo", tensors(), request_compression_algorithm=form, response_compression_algorithm=form, request_id="a-1"
    )
    assert words(answer) == ["over", "under"]
    assert answer.get_response()["id"] == "a-1"


def test_the_client_reads_our_errors(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="unknown"):
        client.infer("unknown", tensors())
    with pytest.raises(InferenceServerException, match="operator"):
        client.unload_model("demo")
