"""One request from its bytes to its prediction, the same behind every door: body, version, rows, answer, watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from fastapi import Request, Response
from pydantic_core import to_json

from assay.errors import ArtifactFault
from assay.forecasting.framing import Framed
from assay_serving import bodies, settings
from assay_serving.batching import Overloaded
from assay_serving.desk import Answered, Desk, Rows
from assay_serving.faults import RequestFault
from assay_serving.gate import VERSION_HEADER
from assay_serving.served import Served
from assay_serving.settings import ModelRef

KEY_HEADER = "x-assay-key"  # whose request it is: one key keeps one version while a canary runs
Wish = TypeVar("Wish")
Result = TypeVar("Result")
Read = Callable[[bytes, Served], tuple[pa.Table, Wish]]


async def answered(
    request: Request, desk: Desk, name: str | None, version: str | None, read: Read[Wish]
) -> tuple[Answered, Wish]:
    """Return the answer to a request, and what `read` found in it beside rows; `name` None means the first model.

    A request that brings no key is told by its body, so that the same rows get the same version.

    Raises:
        RequestFault, DataFault: it cannot be answered.
        NotServed: there is no such model or version.
    """
    try:
        with desk.room.admitted(_declared_bytes(request)):
            return await _answered(request, desk, name, version, read)
    except Overloaded:
        raise overloaded() from None


async def _answered(
    request: Request, desk: Desk, name: str | None, version: str | None, read: Read[Wish]
) -> tuple[Answered, Wish]:
    found = await asked(request, desk, name, version, read, as_sent=True)
    served = found.served
    prediction_NK = await predicted(desk, served, found.batch)
    told = served.forecast(found.framed, prediction_NK)
    answer = Answered(served, found.table, prediction_NK, told, getattr(request.state, "request_id", ""))
    for watch in desk.watching:
        watch(answer)
    return answer, found.wish


@dataclass(frozen=True)
class Asked(Generic[Wish]):
    """A request that was read: the version that answers it, its rows, and what else it wants."""

    served: Served
    table: pa.Table
    wish: Wish
    batch: Rows  # to predict
    framed: Framed | None  # what turns the numbers of a forecast back


async def asked(
    request: Request, desk: Desk, name: str | None, version: str | None, read: Read[Wish], *, as_sent: bool = False
) -> Asked[Wish]:
    """Read a request, and choose who answers it; see `answered`.

    `as_sent` leaves few rows for the predict call to convert, together with those of others.

    Raises:
        RequestFault, DataFault, NotServed: it cannot be answered.
    """
    body = await body_of(request, desk)
    key = request.headers.get(KEY_HEADER, "").encode() or body
    served = await loaded(desk, desk.routes.choose(desk.routes.first if name is None else name, version, key))

    request.state.model = f"{served.ref.name}/{served.ref.version}"  # for the log and the metrics

    def read_rows() -> Asked[Wish]:
        table, wish = read(body, served)
        if as_sent and served.framing is None and len(body) <= settings.INLINE_BODY_BYTES:
            return Asked(served, table, wish, table, None)
        return Asked(served, table, wish, *served.rows(table))

    return await off_loop(read_rows, len(body))


def _declared_bytes(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return min(int(length), settings.MAX_BODY_BYTES) if length.isdecimal() else 0


async def loaded(desk: Desk, ref: ModelRef) -> Served:
    """Return a version that routes found.

    Raises:
        RequestFault: 503, since its files are not what they were when the plan was made.
    """
    try:
        return await desk.served(ref)
    except ArtifactFault as fault:
        raise RequestFault(HTTPStatus.SERVICE_UNAVAILABLE, f"model {ref.name}/{ref.version}: {fault}") from None


async def body_of(request: Request, desk: Desk) -> bytes:
    """Return the body of a request.

    Raises:
        RequestFault: there is no room for one more, or the body is too large or broken.
    """
    try:
        desk.admit()  # before reading: a server that is full must not fill its memory too
    except Overloaded:
        raise overloaded() from None
    headers = request.headers
    return await bodies.read(request.stream(), headers.get("content-encoding", ""), headers.get("content-length", ""))


async def off_loop(read: Callable[[], Result], size_bytes: int) -> Result:
    """Run `read` where it does not hold up the health checks; a small body is done sooner than a thread starts."""
    return read() if size_bytes <= settings.INLINE_BODY_BYTES else await asyncio.to_thread(read)


async def predicted(desk: Desk, served: Served, batch: Rows) -> np.ndarray:
    """Return prediction_NK of rows.

    Raises:
        RequestFault: 503 when too many wait, 504 when it took too long.
    """
    try:
        return await desk.predict(served, batch)
    except Overloaded:
        raise overloaded() from None
    except TimeoutError:
        text = f"no prediction within {settings.REQUEST_TIMEOUT_S:.0f} s; send fewer rows at a time"
        raise RequestFault(HTTPStatus.GATEWAY_TIMEOUT, text) from None


def overloaded() -> RequestFault:
    """Return the fault of a request that found the queue full."""
    return RequestFault(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"too many requests wait already; try again after {settings.RETRY_AFTER_S} s",
        {"Retry-After": str(settings.RETRY_AFTER_S)},
    )


def json_response(content: Any, served: Served | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer as JSON, marked with the version that gave it."""
    marked = {**(headers or {}), **({VERSION_HEADER: served.ref.version} if served else {})}
    # JSON has no NaN: a prediction that is not a number is sent as null.
    return Response(to_json(content, inf_nan_mode="null"), headers=marked, media_type="application/json")
