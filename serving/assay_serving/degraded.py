"""How an answer says that some members of the model are missing from it: in its body, and in a header on every door."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay_serving.spread import Turnout

HEADER = "x-assay-degraded"
HEADERS = {HEADER: {"schema": {"const": "true"}, "description": "some members of the model did not answer in time"}}


def mark(request: Request, turnout: Turnout | None) -> None:
    """Let the answer to a request have the header, if its vote is partial."""
    request.state.degraded = turnout is not None and turnout.degraded


def flagged(content: dict[str, Any], turnout: Turnout | None) -> dict[str, Any]:
    """Return the body of an answer with `degraded` beside the predictions, if it is."""
    return {**content, "degraded": True} if turnout is not None and turnout.degraded else content


def parametrised(content: dict[str, Any], turnout: Turnout | None) -> dict[str, Any]:
    """Return the body of an answer with the turnout among its parameters, if it is partial."""
    if turnout is None or not turnout.degraded:
        return content
    return {**content, "parameters": {**content.get("parameters", {}), **turnout.told()}}


class Marks:
    """ASGI middleware that writes the header, and that such an answer is not to be kept for another request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start" and scope.get("state", {}).get("degraded"):
                headers = MutableHeaders(scope=message)
                headers[HEADER] = "true"
                headers["cache-control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_marked)
