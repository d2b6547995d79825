"""Every request has an id: the one its client chose, or a new one; it stands in the answer and in the log."""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")  # whatever else a client sends would only make log lines of its own


def id_of(scope: Scope) -> str:
    """Return the id of a request: what its client sent if it has the form of one, else a new one."""
    sent = Headers(scope=scope).get(HEADER, "")
    return sent if FORM.fullmatch(sent) else uuid4().hex


class OneRequestId:
    """ASGI middleware for Ray Serve's proxy, which would take any text for an id and write it twice into the answer.

    With it the proxy's own log and errors, the replica's and the client's have one id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = id_of(scope)
        MutableHeaders(scope=scope)[HEADER] = request_id

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                del headers[HEADER]
                headers[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_marked)
