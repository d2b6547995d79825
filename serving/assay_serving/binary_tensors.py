"""Tensors as raw bytes behind the JSON of a request or an answer: the binary tensor data extension of the protocol.

The header `Inference-Header-Content-Length` says how many bytes of the body are JSON; the tensors follow in order,
little-endian, row-major, each `parameters.binary_data_size` bytes long. BOOL is one byte; an element of BYTES is its
length in four bytes, then UTF-8 or whatever else its client holds, such as the file of an image.

Source: https://github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from assay_serving.faults import bad_request

HEADER = "Inference-Header-Content-Length"
SIZE = "binary_data_size"
LENGTH_BYTES = 4  # of the length before each element of BYTES
DTYPES = {
    "BOOL": "u1", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip


def split(body: bytes, header: str | None) -> tuple[bytes, bytes]:
    """Return the JSON of a body and the tensors behind it; all is JSON without the header.

    Raises:
        RequestFault: 400 when the header is no length, or one beyond the body.
    """
    if header is None:
        return body, b""
    if not (header.isascii() and header.isdecimal() and len(header) < 12 and int(header) <= len(body)):
        raise bad_request(
            f"header {HEADER}: found '{header[:40]}', expected a number from 0 to {len(body)}, the body's"
        )
    return body[: int(header)], body[int(header) :]


def size_of(place: str, parameters: Mapping[str, Any]) -> int | None:
    """Return the bytes that a tensor says it has behind the JSON; None when its data stands in the JSON.

    Raises:
        RequestFault: 400 when it is not a whole number from 0 on.
    """
    size = parameters.get(SIZE)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise bad_request(
            f"{place}.parameters.{SIZE}: found {str(size)[:40]}, expected a whole number of bytes, 0 or more"
        )
    return size


def decoded(place: str, datatype: str, shape: Sequence[int], raw: bytes) -> list[Any]:
    """Return the elements of a tensor, flat.

    Raises:
        RequestFault: 400 when the bytes are not what datatype and shape say.
    """
    count = prod(shape)
    if datatype == "BYTES":
        return _texts(place, count, raw)
    dtype = np.dtype(DTYPES[datatype])
    if len(raw) != count * dtype.itemsize:
        raise bad_request(
            f"{place}: found {len(raw)} bytes, expected {count * dtype.itemsize}: {count} elements of {datatype}"
        )
    array_N = np.frombuffer(raw, dtype)
    if datatype == "BOOL":
        if array_N.size and array_N.max() > 1:
            raise bad_request(f"{place}: found the byte {array_N.max()}, expected 0 or 1 in a tensor of BOOL")
        array_N = array_N.astype(bool)
    elements: list[Any] = array_N.tolist()
    return elements


def _texts(place: str, count: int, raw: bytes) -> list[str | bytes]:
    texts: list[str | bytes] = []
    start = 0
    while start < len(raw):
        end = start + LENGTH_BYTES
        length = int.from_bytes(raw[start:end], "little")
        if end + length > len(raw):
            raise bad_request(f"{place}: element {len(texts)} ends beyond the tensor's {len(raw)} bytes")
        element = raw[end : end + length]
        try:
            texts.append(element.decode())
        except UnicodeDecodeError:  # no text; whether that may be is for the column to say
            texts.append(element)
        start = end + length
    if len(texts) != count:
        raise bad_request(f"{place}: found {len(texts)} elements, expected {count} by its shape")
    return texts


def encoded(tensor: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return an output without its data but with their size, and the data as bytes."""
    if tensor["datatype"] == "BYTES":
        texts = [str(value).encode() for value in tensor["data"]]
        raw = b"".join(len(text).to_bytes(LENGTH_BYTES, "little") + text for text in texts)
    else:
        raw = np.asarray(tensor["data"], np.dtype(DTYPES[tensor["datatype"]])).tobytes()
    head = {key: value for key, value in tensor.items() if key != "data"}
    return {**head, "parameters": {SIZE: len(raw)}}, raw
