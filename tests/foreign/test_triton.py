"""Triton's HTTP client, at its default options, against a real server: every call that it offers."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

pytestmark = pytest.mark.cluster
Arrays = Mapping[str, np.ndarray]
PEOPLE = {
    "age": np.array([61.0, 20.0]), "city": np.array(["Rome", "Łódź"], object), "member": np.array([True, False]),
    "joined": np.array(["2024-05-17"] * 2, object), "note": np.array(["good fast", "red"], object),
}  # fmt: skip


@pytest.fixture
def client(url: str) -> Iterator[triton.InferenceServerClient]:
    """A client as its documentation opens one."""
    with triton.InferenceServerClient(url.removeprefix("http://").rstrip("/")) as client:
        yield client


def tensors(arrays: Arrays = PEOPLE, *, binary: bool = True) -> list[triton.InferInput]:
    found = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        found.append(tensor)
    return found


def words(answer: triton.InferResult) -> list[str]:
    return [word.decode() if isinstance(word, bytes) else word for word in answer.as_numpy("prediction").tolist()]


def test_the_server_and_the_models_are_live_and_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("demo")
    assert client.is_model_ready("demo", "1")
    assert not client.is_model_ready("demo", "2")
    assert not client.is_model_ready("unknown")


def test_the_server_tells_its_extensions(client: triton.InferenceServerClient) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]


@pytest.mark.parametrize("version", ["", "1"])
def test_the_model_is_described(client: triton.InferenceServerClient, version: str) -> None:
    about = client.get_model_metadata("demo", version)
    assert {tensor["name"]: tensor["datatype"] for tensor in about["inputs"]} == {
        name: np_to_triton_dtype(array.dtype) for name, array in PEOPLE.items()
    }
    config = client.get_model_config("demo", version)
    assert [tensor["data_type"] for tensor in config["output"]] == ["TYPE_STRING", "TYPE_FP64"]


def test_the_index_names_the_models(client: triton.InferenceServerClient) -> None:
    index = client.get_model_repository_index()
    assert {(entry["name"], entry["version"], entry["state"]) for entry in index} == {
        (name, "1", "READY") for name in ("demo", "number", "photos")
    }


def test_statistics_count_what_was_asked(client: triton.InferenceServerClient) -> None:
    def rows() -> int:
        return int(client.get_inference_statistics("demo")["model_stats"][0]["inference_count"])

    before = rows()
    client.infer("demo", tensors())
    assert rows() == before + 2
    assert {entry["name"] for entry in client.get_inference_statistics()["model_stats"]} == {"demo", "number", "photos"}


@pytest.mark.parametrize("version", ["", "1"])
@pytest.mark.parametrize("binary", [True, False])
def test_tensors_are_answered(client: triton.InferenceServerClient, binary: bool, version: str) -> None:
    wished = None if binary else [triton.InferRequestedOutput("prediction", binary_data=False)]
    answer = client.infer("demo", tensors(binary=binary), version, outputs=wished)
    assert words(answer) == ["over", "under"]


def test_probabilities_are_a_row_for_each_row(client: triton.InferenceServerClient) -> None:
    answer = client.infer("demo", tensors())
    assert answer.as_numpy("probability").sum(axis=1) == pytest.approx([1.0, 1.0])
    assert answer.get_response()["model_version"] == "1"


def test_only_the_outputs_that_are_asked_for_are_sent(client: triton.InferenceServerClient) -> None:
    answer = client.infer("demo", tensors(), outputs=[triton.InferRequestedOutput("probability")])
    assert answer.as_numpy("prediction") is None
    assert answer.as_numpy("probability").shape == (2, 2)


@pytest.mark.parametrize("form", ["gzip", "deflate"])
def test_compressed_requests_and_answers_are_read(client: triton.InferenceServerClient, form: str) -> None:
    answer = client.infer(
        "demo", tensors(), request_compression_algorithm=form, response_compression_algorithm=form, request_id="a-1"
    )
    assert words(answer) == ["over", "under"]
    assert answer.get_response()["id"] == "a-1"


def test_requests_may_be_on_their_way_together(url: str) -> None:
    with triton.InferenceServerClient(url.removeprefix("http://"), concurrency=4) as client:
        asked = [client.async_infer("demo", tensors()) for _ in range(8)]
        assert [words(one.get_result()) for one in asked] == [["over", "under"]] * 8


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8"])
@pytest.mark.parametrize("matrix", [True, False])
def test_a_number_is_predicted_from_numbers(client: triton.InferenceServerClient, dtype: str, matrix: bool) -> None:
    x_N2 = np.array([[2, 0], [0, 1]], dtype)
    arrays = {"x": x_N2} if matrix else {"x0": x_N2[:, 0], "x1": x_N2[:, 1:]}
    found_N = client.infer("number", tensors(arrays)).as_numpy("prediction")
    assert found_N == pytest.approx([6, 0], abs=1.5)


@pytest.mark.parametrize(
    ("form", "binary"), [("files", True), ("base64", True), ("base64", False), ("pixels", True), ("pixels", False)]
)
def test_images_are_read(client: triton.InferenceServerClient, photos: list[bytes], form: str, binary: bool) -> None:
    texts = [base64.b64encode(file).decode() for file in photos]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in photos])
    array = {"files": np.array(photos, object), "base64": np.array(texts, object), "pixels": pixels}[form]
    assert words(client.infer("photos", tensors({"photo": array}, binary=binary))) == ["upper", "lower"]


def test_the_client_reads_what_is_wrong_with_a_request(client: triton.InferenceServerClient) -> None:
    for model, version in (("unknown", ""), ("demo", "9")):
        with pytest.raises(InferenceServerException, match=r"no model named 'unknown'|no version '9'"):
            client.infer(model, tensors(), version)
    with pytest.raises(InferenceServerException, match="column 'note': is missing"):
        client.infer("demo", tensors({name: array for name, array in PEOPLE.items() if name != "note"}))
    with pytest.raises(InferenceServerException, match="column 'city': found bytes that are no UTF-8"):
        client.infer("demo", tensors(PEOPLE | {"city": np.array([b"\xff", b"Rome"], object)}))
    with pytest.raises(InferenceServerException, match="no output named 'predicton'"):
        client.infer("demo", tensors(), outputs=[triton.InferRequestedOutput("predicton")])


def test_models_are_not_loaded_or_unloaded_by_clients(client: triton.InferenceServerClient) -> None:
    for ask in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match="operator") as refused:
            ask("demo")
        assert refused.value.status() == "403"


def test_calls_that_the_server_has_not_are_told_as_such(client: triton.InferenceServerClient) -> None:
    for ask in (client.get_log_settings, client.get_trace_settings, client.get_system_shared_memory_status):
        with pytest.raises(InferenceServerException, match="Not Found") as refused:
            ask()
        assert refused.value.status() == "404"


def test_an_encoding_that_the_server_does_not_know_is_told(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="'br' is not supported") as refused:
        client.infer("demo", tensors(), headers={"Content-Encoding": "br"})
    assert refused.value.status() == "415"


def test_more_bytes_and_more_rows_than_are_answered_are_told(client: triton.InferenceServerClient) -> None:
    for rows, found in ((1_200_000, "larger than 16 MiB"), (100_001, "100,001 rows")):
        with pytest.raises(InferenceServerException, match=found) as refused:
            client.infer("number", tensors({"x": np.zeros((rows, 2))}))
        assert refused.value.status() == "413"


def test_a_wrong_method_is_json_too(client: triton.InferenceServerClient) -> None:
    # No call of the client sends one: its own way of sending and of reading errors, on another route.
    from tritonclient.http._utils import _raise_if_error

    with pytest.raises(InferenceServerException, match="Method Not Allowed"):
        _raise_if_error(client._get("v2/models/demo/infer", {}, {}))
