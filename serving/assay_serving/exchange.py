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
from starlette.requests import ClientDisconnect

from assay.errors import ArtifactFault
from assay.forecasting.framing import Framed
from assay.vocabulary import OnError
from assay_serving import bad_rows, bodies, degraded, settings
from assay_serving.batching import Overloaded
from assay_serving.desk import Answered, Desk, Rows
from assay_serving.faults import RequestFault, id_of
from assay_serving.gate import LEFT, VERSION_HEADER
from assay_serving.rows import Sent
from assay_serving.served import Served
from assay_serving.settings import ModelRef
from assay_serving.spread import NoMember, Vote

KEY_HEADER = "x-assay-key"  # whose request it is: one key keeps one version while a canary runs
RETRY = {"Retry-After": str(settings.RETRY_AFTER_S)}
Wish = TypeVar("Wish")
Result = TypeVar("Result")
Read = Callable[[bytes, Served], tuple[Sent, Wish]]


@dataclass(frozen=True)
class Exchanged(Generic[Wish]):
    """The answer to a request, what else it wanted, and which of its rows could not be read."""

    answer: Answered
    wish: Wish
    rows: bad_rows.CheckedRows
    told: pa.Table | None  # the columns of a forecast, with series that could not be read where these are null


async def answered(
    request: Request, desk: Desk, name: str | None, version: str | None, read: Read[Wish]
) -> Exchanged[Wish]:
    """Return the answer to a request, and what `read` found in it beside rows; `name` None means the first model.

    A request that brings no key is told by its body, so that the same rows get the same version.

    Raises:
        RequestFault, DataFault: it cannot be answered.
        NotServed: there is no such model or version.
    """
    body = await body_of(request, desk)  # before it is admitted: a slow line must not keep others out
    try:
        with desk.room.admitted(len(body)):
            return await _answered(request, body, desk, name, version, read)
    except Overloaded:
        raise overloaded() from None


async def _answered(
    request: Request, body: bytes, desk: Desk, name: str | None, version: str | None, read: Read[Wish]
) -> Exchanged[Wish]:
    on_error = bad_rows.on_error_of(request)
    found = await asked(request, body, desk, name, version, read, as_sent=True, on_error=on_error)
    served = found.served
    vote = await voted(desk, served, found.batch)
    degraded.mark(request, vote.turnout)
    told = served.forecast(found.framed, vote.prediction_NK)
    answer = Answered(served, found.table, vote.prediction_NK, told, id_of(request), found.batch, vote.turnout)
    for watch in desk.watching:
        watch(answer)
    return Exchanged(answer, found.wish, found.checked, found.checked.with_series(told))


@dataclass(frozen=True)
class Asked(Generic[Wish]):
    """A request that was read: the version that answers it, its rows, and what else it wants."""

    served: Served
    table: pa.Table
    wish: Wish
    batch: Rows  # to predict
    framed: Framed | None  # what turns the numbers of a forecast back
    checked: bad_rows.CheckedRows


async def asked(
    request: Request,
    body: bytes,
    desk: Desk,
    name: str | None,
    version: str | None,
    read: Read[Wish],
    *,
    as_sent: bool = False,
    on_error: OnError = OnError.FAIL,
) -> Asked[Wish]:
    """Read a request, and choose who answers it; see `answered`.

    `as_sent` leaves few rows for the predict call to convert, together with those of others.

    Raises:
        RequestFault, DataFault, NotServed: it cannot be answered.
    """
    key = request.headers.get(KEY_HEADER, "").encode() or body
    served = await loaded(desk, desk.routes.choose(desk.routes.first if name is None else name, version, key))

    request.state.model = f"{served.ref.name}/{served.ref.version}"  # for the log and the metrics

    def read_rows() -> Asked[Wish]:
        sent, wish = read(body, served)
        checked_rows = bad_rows.checked_rows(sent, served, on_error)
        table = sent.table(checked_rows.good if checked_rows.bad else None)
        if as_sent and served.framing is None and len(body) <= settings.INLINE_BODY_BYTES:
            return Asked(served, table, wish, table, None, checked_rows)
        return Asked(served, table, wish, *served.rows(table), checked_rows)

    return await off_loop(read_rows, len(body))


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
    """Return the body of a request, however slowly it comes, within limits of time and of all that arrives at once.

    Raises:
        RequestFault: there is no room for one more, or the body is too large, too slow or broken.
    """
    headers = request.headers
    encoding, length = headers.get("content-encoding", ""), headers.get("content-length", "")
    try:
        desk.admit()  # before reading: a server that is full must not fill its memory too
        return await bodies.read(desk.arrivals.watched(request.stream()), encoding, length)
    except Overloaded:
        raise overloaded() from None
    except ClientDisconnect:  # nobody reads this; it is counted
        raise RequestFault(LEFT, "the client left before the body ended") from None


async def off_loop(read: Callable[[], Result], size_bytes: int) -> Result:
    """Run `read` where it does not hold up the health checks; a small body is done sooner than a thread starts."""
    return read() if size_bytes <= settings.INLINE_BODY_BYTES else await asyncio.to_thread(read)


async def predicted(desk: Desk, served: Served, rows: Rows) -> np.ndarray:
    """Return prediction_NK of rows by all members, for whoever compares several such predictions; see `voted`.

    Raises:
        RequestFault: 503 also when some members do not answer.
    """
    vote = await voted(desk, served, rows)
    if vote.turnout is not None and vote.turnout.degraded:
        found = f"{vote.turnout.num_answering} of {vote.turnout.num_members} members answer"
        text = f"model {served.ref.name}/{served.ref.version}: {found}, and all are needed here; try again"
        raise RequestFault(HTTPStatus.SERVICE_UNAVAILABLE, text, RETRY)
    return vote.prediction_NK


async def voted(desk: Desk, served: Served, rows: Rows) -> Vote:
    """Return what a model says of rows.

    Raises:
        RequestFault: 503 when too many wait or no member answers, 504 when it took too long.
    """
    try:
        return await desk.vote(served, rows)
    except NoMember:
        text = f"not one member of model {served.ref.name}/{served.ref.version} answers; try again"
        raise RequestFault(HTTPStatus.SERVICE_UNAVAILABLE, text, RETRY) from None
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
        RETRY,
    )


def json_response(content: Any, served: Served | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer as JSON, marked with the version that gave it."""
    marked = {**(headers or {}), **({VERSION_HEADER: served.ref.version} if served else {})}
    # JSON has no NaN: a prediction that is not a number is sent as null.
    return Response(to_json(content, inf_nan_mode="null"), headers=marked, media_type="application/json")
