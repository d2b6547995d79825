"""Stands round every route: gives each request its id, lets in who may come in, and tells who watches what happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay_serving import request_ids
from assay_serving.access import Access
from assay_serving.faults import RequestFault, error_response
from assay_serving.hosts import HostNames
from assay_serving.scopes import Way, Ways

VERSION_HEADER = "x-assay-version"
LEFT = 499  # the status of a request whose client went away: nobody was answered


@dataclass
class Visit:
    """A request from outside: what is counted and logged of it. Never its body, and never a token."""

    method: str
    way: Way
    request_id: str
    state: dict[str, Any]  # what the routes told: `model`, a version
    started_s: float
    token: str = ""  # the name of the token
    status: int = LEFT
    took_s: float = 0.0

    @property
    def model(self) -> str:
        """Name and version that answered; empty when none did."""
        return str(self.state.get("model", ""))


@dataclass
class Traffic:
    """How many requests are inside, and who is told of each that left; they must neither raise nor take long."""

    num_inside: int = 0
    watching: list[Callable[[Visit], None]] = field(default_factory=list)


class Gate:
    """ASGI middleware: deny by default, mark every answer with its request's id and the version."""

    def __init__(
        self,
        app: ASGIApp,
        ways: Ways,
        access: Access,
        hosts: HostNames | None,
        version: Callable[[], str],
        traffic: Traffic,
    ) -> None:
        self._app = app
        self._ways = ways
        self._access = access
        self._hosts = hosts
        self._version = version
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._visited(scope, receive, send)
        else:  # no route speaks anything else
            await send({"type": "websocket.close", "code": 1008})

    async def _visited(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_ids.id_of(scope)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        visit = Visit(scope["method"], self._ways.of(scope), request_id, scope["state"], time.perf_counter())

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault(VERSION_HEADER, self._version())
                headers[request_ids.HEADER] = request_id
            await send(message)

        self._traffic.num_inside += 1
        try:
            answer = self._refused(visit, Headers(scope=scope)) or self._app
            await answer(scope, receive, send_marked)
        except Exception:
            visit.status = HTTPStatus.INTERNAL_SERVER_ERROR  # the answer comes from `faults`, outside of us
            raise
        finally:
            self._traffic.num_inside -= 1
            visit.took_s = time.perf_counter() - visit.started_s
            for watch in self._traffic.watching:
                watch(visit)

    def _refused(self, visit: Visit, headers: Headers) -> ASGIApp | None:
        """Return the answer to a request that may not come in."""
        try:
            host = headers.get("host", "")
            # A probe of a load balancer sends no Host, as HTTP/1.0 allows; browsers always do.
            anonymous = not host and visit.way.is_public
            if self._hosts is not None and not anonymous and not self._hosts.admits(host):
                raise _misdirected(host)
            if self._hosts is not None and not self._access.asks:
                _refuse_strangers(self._hosts, headers.get("origin"))
            if not visit.way.is_public:
                visit.token = self._access.admitted(headers.get("authorization", ""), visit.way.needed)
        except RequestFault as fault:
            return error_response(fault.status, fault.error, fault.headers)
        return None


def _refuse_strangers(hosts: HostNames, origin: str | None) -> None:
    # A page of another site may send what it likes, and only cannot read the answer: labels, or rows for the log. It
    # has no token, so a server that asks for one is safe from it.
    if origin is not None and not hosts.admits_origin(origin):
        text = f"a page of '{origin[:100]}' sent this; pages of other sites may not ask a server without tokens"
        raise RequestFault(HTTPStatus.FORBIDDEN, text + " (`--allow-host NAME`, or `--tokens`)")


def _misdirected(host: str) -> RequestFault:
    return RequestFault(
        HTTPStatus.MISDIRECTED_REQUEST,
        f"the header Host is '{host[:100]}', which is no name of this server; "
        "its operator can add one with `--allow-host NAME`",
    )
