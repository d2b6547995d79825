"""The binary tensor data extension: Triton's own client packs and unpacks, our server answers, without Ray."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

HEADER = "Inference-Header-Content-Length"
KINDS = [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint64]


def packed(inputs: dict[str, np.ndarray], **options: Any) -> tuple[bytes, dict[str, str]]:
    tensors = []
    for name, array in inputs.items():
        tensor = triton.InferInput(name, list(array.shape), triton_name(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    body, length = triton.InferenceServerClient.generate_request_body(tensors, **options)
    return body, ({HEADER: str(length)} if length else {})


def triton_name(dtype: np.dtype) -> str:
    from tritonclient.utils import np_to_triton_dtype

    return np_to_triton_dtype(dtype)


def people(**changed: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "age": np.array([61.0, np.nan]), "city": np.array(["Rome", "Łódź"], object), "member": np.array([True, False]),
        "joined": np.array(["2024-05-17", ""], object), "note": np.array(["good fast", "red"], object), **changed,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_tritons_default_request_is_answered_in_bytes(mixed: Any, kind: type) -> None:
    inputs = people(age=np.array([61, 20], kind), joined=np.array(["2024-05-17"] * 2, object))
    body, headers = packed(inputs)
    answer = mixed.post("/v2/models/m/infer", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    found = triton.InferenceServerClient.parse_response_body(answer.content, header_length=int(answer.headers[HEADER]))
    assert found.as_numpy("prediction").tolist() == [b"over", b"under"]
    assert found.as_numpy("probability").tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_binary_body_may_be_compressed(mixed: Any) -> None:
    body, headers = packed(people(joined=np.array(["2024-05-17"] * 2, object)))
    headers["Content-Encoding"] = "gzip"
    assert mixed.post("/v2/models/m/infer", content=gzip.compress(body), headers=headers).status_code == 200


@pytest.mark.parametrize("header", ["-1", "x", "", "999999999", "9" * 400])
def test_a_header_that_is_no_length_of_the_body_is_refused(mixed: Any, header: str) -> None:
    answer = mixed.post("/v2/models/m/infer", content=packed(people())[0], headers={HEADER: header})
    assert answer.status_code == 400
    assert HEADER in answer.json()["error"]


def test_bytes_behind_the_last_tensor_are_refused(mixed: Any) -> None:
    body, headers = packed(people())
    answer = mixed.post("/v2/models/m/infer", content=body + b"x", headers=headers)
    assert "1 bytes behind the last tensor" in answer.json()["error"]


def test_tensors_that_are_cut_off_are_refused_by_name(mixed: Any) -> None:
    body, headers = packed(people())
    answer = mixed.post("/v2/models/m/infer", content=body[:-1], headers=headers)
    assert "'note'" in answer.json()["error"]
