"""Every request has one id, in its answer, in the errors and for whoever watches."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from assay_serving.desk import Answered
from assay_serving.proxy import middlewares


def test_the_id_that_a_client_sends_comes_back(mixed: Any) -> None:
    assert mixed.get("/v2", headers={"x-request-id": "Order-7_a.b"}).headers["x-request-id"] == "Order-7_a.b"


@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 65, "line\\break", "é"])
def test_without_a_proper_id_a_new_one_is_made(mixed: Any, sent: str | None) -> None:
    headers = {} if sent is None else {"x-request-id": sent.encode()}
    assert re.fullmatch("[0-9a-f]{32}", mixed.get("/v2", headers=headers).headers["x-request-id"])


@pytest.mark.parametrize("path", ["/v2", "/nowhere", "/invocations", "/v2/models/other"])
def test_every_answer_has_an_id(mixed: Any, path: str) -> None:
    assert mixed.get(path).headers["x-request-id"]


def test_who_watches_answers_knows_the_id(open_app: Any, folders: dict[str, Path], row: dict[str, Any]) -> None:
    app = open_app(folders["mixed"])
    seen: list[Answered] = []
    app.desk.watching.append(seen.append)
    app.post("/invocations", json={"dataframe_records": [row]}, headers={"x-request-id": "one"})
    assert [answered.request_id for answered in seen] == ["one"]


@pytest.mark.parametrize(("sent", "answered"), [("mine", "mine"), ("not an id", None)])
def test_the_proxy_lets_one_valid_id_through_and_answers_with_one(sent: str, answered: str | None) -> None:
    async def echo(request: Any) -> PlainTextResponse:
        found = request.headers["x-request-id"]
        return PlainTextResponse(found, headers={"x-request-id": found})

    app: Any = Starlette(routes=[Route("/", echo)])
    for middleware in middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get("/", headers={"x-request-id": sent})

    answer = asyncio.run(ask())
    ids = answer.headers.get_list("x-request-id")
    assert ids == [answer.text]
    assert answered is None or ids == [answered]
    assert " " not in ids[0]
