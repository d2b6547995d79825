"""Makes every call of KServe's REST client and prints what came of each, as one JSON object.

Run by an environment that has kserve and not assay: asking_with_kserve.py URL PHOTOS, where PHOTOS is JSON: files as
base64.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferOutput, InferRequest, InferResponse, RESTConfig

PEOPLE = {
    "age": ("FP64", [61.0, 20.0]), "city": ("BYTES", ["Rome", "Łódź"]), "member": ("BOOL", [True, False]),
    "joined": ("BYTES", ["2024-05-17"] * 2), "note": ("BYTES", ["good fast", "red"]),
}  # fmt: skip
Columns = dict[str, tuple[str, list[Any]]]


def request(model: str, columns: Columns, *, binary: bool = False, **more: Any) -> InferRequest:
    """Return a request of tensors [n]; as binary tensors from numpy, or as JSON."""
    inputs = []
    for name, (datatype, values) in columns.items():
        tensor = InferInput(name, [len(values)], datatype, None if binary else values)
        if binary:
            tensor.set_data_from_numpy(np.array(values, object if datatype == "BYTES" else None), binary_data=True)
        inputs.append(tensor)
    return InferRequest(model_name=model, infer_inputs=inputs, **more)


def told(answer: Any) -> Any:
    """Return an answer as JSON has it."""
    if isinstance(answer, InferResponse):
        outputs = {output.name: values(output) for output in answer.outputs}
        return {"model": answer.model_name, "id": answer.id, "outputs": outputs}
    return answer


def values(output: InferOutput) -> list[Any]:
    """Return the elements of an output as the client decodes them."""
    found = output.as_numpy().tolist()
    return [value.decode() if isinstance(value, bytes) else value for value in found]


async def outcome(call: Callable[[], Awaitable[Any]]) -> Any:
    """Return what a call said, or the error that its client raised."""
    try:
        return told(await call())
    except httpx.HTTPStatusError as error:
        return {"status": error.response.status_code, "error": str(error)}


async def main(url: str, photos: list[str]) -> None:
    """Make the calls."""
    wish = [{"name": "probability"}]
    numbers: Columns = {"x0": ("FP64", [2.0, 0.0]), "x1": ("FP64", [0.0, 1.0])}
    rows = {
        "instances": [
            dict(zip(PEOPLE, row, strict=True)) for row in zip(*(data for _, data in PEOPLE.values()), strict=True)
        ]
    }
    async with InferenceRESTClient() as first, InferenceRESTClient(RESTConfig(protocol="v2")) as client:

        def infer(asked: InferRequest | dict[str, Any], model: str, headers: Any = None) -> Callable[[], Any]:
            return lambda: client.infer(url, asked, model_name=model, headers=headers)

        # Its default is the V1 protocol.
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "v1 live": lambda: first.is_server_live(url),
            "v1 model ready": lambda: first.is_model_ready(url, "demo"),
            "v1": lambda: first.infer(url, rows, model_name="demo"),
            "v1 explain": lambda: first.explain(url, "demo", rows),
            "v1 wrong": lambda: first.infer(url, {"instances": [{"age": "old"}]}, model_name="demo"),
            "live": lambda: client.is_server_live(url),
            "ready": lambda: client.is_server_ready(url),
            "model ready": lambda: client.is_model_ready(url, "demo"),
            "version ready": lambda: client.is_model_ready(url, "demo/versions/1"),
            "unknown ready": lambda: client.is_model_ready(url, "unknown"),
            "json": infer(request("demo", PEOPLE, request_id="a-1"), "demo"),
            "binary": infer(request("demo", PEOPLE, binary=True, request_id="a-2"), "demo"),
            "version": infer(request("demo", PEOPLE), "demo/versions/1"),
            "dict": infer(request("demo", PEOPLE).to_dict() | {"outputs": wish}, "demo"),
            "number": infer(request("number", numbers), "number"),
            "binary number": infer(request("number", numbers, binary=True), "number"),
            "photos": infer(request("photos", {"photo": ("BYTES", photos)}), "photos"),
            "unknown": infer(request("unknown", PEOPLE), "unknown"),
            "wrong": infer(request("demo", {"age": ("BYTES", ["old"])}), "demo"),
            "encoding": infer(request("demo", PEOPLE), "demo", {"content-encoding": "br"}),
            "large": infer(request("number", {"x0": ("FP64", [0.5] * 5_000_000)}), "number"),
        }
        sys.stdout.write(json.dumps({name: await outcome(call) for name, call in calls.items()}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
