"""Bytes that are no HTTP request, against a real server: answered in JSON, and never kept without a limit."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def server(folders: dict[str, Path], serve: Callable[..., Any]) -> Iterator[Any]:
    with serve(folders["number"]) as found:
        yield found


def said(server: Any, *pieces: bytes) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer to raw bytes."""
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port), timeout=10) as wire:
        for piece in pieces:
            wire.sendall(piece)
        answer = b""
        while piece := wire.recv(65_536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "raw",
    [b"\x16\x03\x01\x02\x00", b"GET /v2 HTTP/1.1\r\nHost\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)
def test_what_is_no_request_is_400_in_json(server: Any, raw: bytes) -> None:
    status, body = said(server, raw + b"\r\n\r\n")
    assert (status, list(body)) == (400, ["error"])


def test_a_head_without_an_end_is_431_in_json(server: Any) -> None:
    status, body = said(
        server, b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2**18
    )  # all is read, so that the answer is not lost
    assert (status, list(body)) == (431, ["error"])


def test_a_large_body_in_small_chunks_is_no_large_head(server: Any) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b'{"inputs": ', b'{"x0": [1], "x1": [', b"1", b" " * 900_000, b"]}}"]

    answer = httpx.post(f"{server.url}/invocations", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 200
