"""What Ray Serve's proxy says by itself reaches clients as JSON with a status to act on."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from assay_serving.proxy import PlainErrors


def asked(app: Any) -> httpx.Response:
    """Return the answer of an application behind our middleware."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(PlainErrors(app)), base_url="http://here") as client:
            return await client.get("/v2")

    return asyncio.run(ask())


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Say nothing, as Serve's proxy does of a replica that died."""


def test_a_replica_that_died_is_a_503_to_ask_again() -> None:
    answer = asked(silent)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"error": "the process that was answering died; ask again"}


@pytest.mark.parametrize(("said", "heard"), [(404, 404), (408, 504), (500, 503), (503, 503)])
def test_plain_errors_become_json(said: int, heard: int) -> None:
    answer = asked(PlainTextResponse("something", said))
    assert answer.status_code == heard
    assert list(answer.json()) == ["error"]


def test_what_is_json_already_passes_as_it_is() -> None:
    answer = asked(JSONResponse({"error": "ours"}, 500))
    assert (answer.status_code, answer.json()) == (500, {"error": "ours"})
