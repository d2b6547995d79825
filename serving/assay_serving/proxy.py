"""What Ray Serve's HTTP proxy says by itself, in the words of our server: JSON with `error`, and a status to act on.

Serve loads `middlewares` in its proxy when RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names it as Ray starts. Without
it a request whose replica dies gets a plain 500, which clients rightly do not repeat, and one too late a 408.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay_serving import wire
from assay_serving.request_ids import OneRequestId
from assay_serving.settings import RETRY_AFTER_S

DIED = (503, "the process that was answering died; ask again")
LATE = (504, "no answer in time; send fewer rows at a time, or try again")
SAID = {
    404: (404, "there is nothing at this path; no model is deployed yet, or the path is wrong"),
    408: LATE,
    500: DIED,
    503: (503, "the server is full or not ready; try again"),
}
SAID_BY_HAPROXY = {**SAID, 502: DIED, 504: LATE}


def middlewares() -> list[Middleware]:
    """Return what Serve's proxy is to put round everything; called in its process, before it listens."""
    wire.install()
    return [Middleware(PlainErrors), Middleware(OneRequestId)]  # the last stands outside of the others


class PlainErrors:
    """Turns errors in plain text, which are the proxy's own, into JSON; ours are JSON already and pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].startswith("/-/"):
            await self._app(scope, receive, send)
            return
        started = replaced = False

        async def spoken(message: Message) -> None:
            nonlocal started, replaced
            started = True
            if message["type"] == "http.response.start" and _is_plain_error(message):
                replaced = True
                for part in _answer(message["status"]):
                    await send(part)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, spoken)
        if not started:  # Serve's proxy says nothing at all of a replica that died, and its server a plain 500
            for part in _answer(HTTPStatus.INTERNAL_SERVER_ERROR):
                await send(part)


def _is_plain_error(message: MutableMapping[str, Any]) -> bool:
    kind = dict(message.get("headers", ())).get(b"content-type", b"")
    return message["status"] in SAID and not kind.startswith((b"application/", b"text/html"))


def _answer(status: int) -> list[Message]:
    status, headers, body = _spoken(*SAID[status])
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [
        {"type": "http.response.start", "status": status, "headers": raw},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]


def raw_answer(status: int) -> bytes:
    """Return what is said of a status of HAProxy's, as it goes over the wire."""
    status, headers, body = _spoken(*SAID_BY_HAPROXY[status])
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _spoken(status: int, text: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"error": text}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return status, headers | ({"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}), body
