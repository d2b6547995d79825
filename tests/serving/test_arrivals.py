"""A body counts once it has come: slow lines keep nobody out, and fill neither the memory nor the time."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from assay_serving import bodies, waiting
from assay_serving.batching import Overloaded
from assay_serving.faults import RequestFault
from assay_serving.waiting import Arrivals


async def chunks(*sent: bytes) -> AsyncIterator[bytes]:
    """Yield chunks as a client sends them."""
    for chunk in sent:
        yield chunk


async def all_of(coming: AsyncIterator[bytes]) -> bytes:
    """Return a whole body."""
    return b"".join([chunk async for chunk in coming])


def test_bodies_that_come_at_one_time_have_a_limit_and_give_their_room_back() -> None:
    arrivals = Arrivals(10)
    assert asyncio.run(all_of(arrivals.watched(chunks(b"12345", b"67890")))) == b"1234567890"
    with pytest.raises(Overloaded):
        asyncio.run(all_of(arrivals.watched(chunks(b"12345678901"))))
    assert asyncio.run(all_of(arrivals.watched(chunks(b"1234567890")))) == b"1234567890"


def test_a_body_that_stops_coming_is_not_waited_for(monkeypatch: Any) -> None:
    monkeypatch.setattr(waiting, "GRACE_S", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    with pytest.raises(RequestFault) as caught:
        asyncio.run(all_of(Arrivals(1_000).watched(stuck())))
    assert caught.value.status == HTTPStatus.REQUEST_TIMEOUT


@pytest.mark.cluster
def test_a_slow_upload_keeps_nobody_out(http: httpx.Client) -> None:
    url = str(http.base_url).rstrip("/")
    host, port = url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(5)]
    for one in slow:
        one.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 5000000\r\n\r\n{"
        )
    rows = {"dataframe_records": [{}]}
    said = [httpx.post(f"{url}/invocations", json=rows).status_code for _ in range(20)]
    for one in slow:
        one.close()
    assert set(said) == {HTTPStatus.BAD_REQUEST}  # read and refused for its columns, not 503


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"{") + gzip.compress(b"}")),
        ("gzip", gzip.compress(b"{}") + b"\0" * 7),
        ("deflate", zlib.compress(b"{}")),
        ("deflate", zlib.compress(b"{}", wbits=-15)),
    ],
    ids=["members", "padding", "zlib", "raw"],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_compressed_bodies_may_have_several_members_and_no_head(encoding: str, packed: bytes, size: int) -> None:
    parts = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert asyncio.run(bodies.read(chunks(*parts), encoding)) == b"{}"


def test_members_that_inflate_beyond_the_limit_together_are_refused() -> None:
    with pytest.raises(RequestFault) as caught:
        asyncio.run(bodies.read(chunks(gzip.compress(b"x" * 60) * 2), "gzip", max_bytes=100))
    assert caught.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_a_second_member_that_is_broken_is_refused() -> None:
    with pytest.raises(RequestFault) as caught:
        asyncio.run(bodies.read(chunks(gzip.compress(b"{}") + b"more"), "gzip"))
    assert caught.value.status == HTTPStatus.BAD_REQUEST


def test_the_document_has_an_address_behind_a_prefix_and_names_each_operation_once(mixed: Any) -> None:
    found = json.loads(mixed.get("/openapi.json", headers={"X-Forwarded-Prefix": "/models/x"}).text)
    assert found["servers"] == [{"url": "/models/x"}]
    names = [operation["operationId"] for path in found["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    foreign = mixed.get("/openapi.json", headers={"X-Forwarded-Prefix": "//evil.example"}).json()
    assert foreign["servers"] == [{"url": "/evil.example"}]
