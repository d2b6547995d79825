"""Stands round every route: lets in who shows the token, and writes the version on every answer."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import uuid
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.errors import SpecFault
from assay_serving.faults import error_response
from assay_serving.settings import TOKEN_VARIABLE, is_loopback

VERSION_HEADER = "x-assay-version"
REQUEST_ID_HEADER = "x-request-id"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def token_digest() -> str | None:
    """Return the SHA-256 of the token in the environment, so that the token itself goes nowhere; None without one."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return hashlib.sha256(token.encode()).hexdigest() if token else None


def refuse_open_door(host: str | None, digest: str | None) -> None:
    """Return when a server may listen on `host`.

    Raises:
        SpecFault: other machines could reach it, and no token is asked for.
    """
    if digest is None and not is_loopback(host):
        raise SpecFault.at(
            f"host {host}",
            "is reachable from other machines, and nobody would be asked for a token",
            f"set {TOKEN_VARIABLE} to a long random text, or listen on 127.0.0.1",
        )


class Gate:
    """ASGI middleware: deny by default when there is a token, mark every answer with the version.

    Clients send `Authorization: Bearer TOKEN`; health checks too. A load balancer that cannot may ask Ray Serve's own
    `/-/healthz`, which says nothing but `success`.
    """

    def __init__(self, app: ASGIApp, digest: str | None, version: Callable[[], str]) -> None:
        self._app = app
        self._digest = digest
        self._version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        asked = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault(VERSION_HEADER, self._version())
                MutableHeaders(scope=message).setdefault(REQUEST_ID_HEADER, request_id)
            await send(message)

        if self._admits(Headers(scope=scope).get("authorization", "")):
            await self._app(scope, receive, send_marked)
            return
        text = "a token is needed: send the header `Authorization: Bearer TOKEN`"
        answer = error_response(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": "Bearer"})
        await answer(scope, receive, send_marked)

    def _admits(self, authorization: str) -> bool:
        if self._digest is None:
            return True
        scheme, _, token = authorization.partition(" ")
        shown = hashlib.sha256(token.strip().encode()).hexdigest()
        return scheme.lower() == "bearer" and hmac.compare_digest(shown, self._digest)
