"""Explanations of rows: asked of the model between other requests, a block of coalitions at a time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi import Request

from assay.batch import Batch
from assay.errors import SpecFault
from assay.explaining.explanation import (
    EVALUATIONS,
    FEWEST_EVALUATIONS,
    MOST_EVALUATIONS,
    Asking,
    Explanation,
)
from assay.explaining.rows import Row
from assay_serving import invocations, rows, settings
from assay_serving.desk import Desk
from assay_serving.exchange import Asked, asked, body_of, overloaded, predicted
from assay_serving.faults import RequestFault, bad_request
from assay_serving.rows import Sent
from assay_serving.served import Served

MAX_AT_A_TIME = 8  # requests for explanations; each asks the model thousands of times
MAX_ROWS = 128  # a request; a script explains files
MAX_EVALUATIONS = MAX_ROWS * EVALUATIONS  # a request, about
PARAMETERS = ("class", "evaluations")
Wish = tuple[str | None, int]  # the class to explain, and evaluations a row


class Explaining:
    """Answers requests for explanations; predictions wait for no more than a block of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._num_asked = 0
        self._turn = asyncio.Lock()  # one block in the queue at a time, whoever it is for

    async def answer(self, request: Request, name: str, version: str | None) -> tuple[Served, list[dict[str, Any]]]:
        """Return the version that answered, and an explanation for each row as JSON.

        Raises:
            RequestFault, DataFault: it cannot be answered; 413 for too many rows or evaluations, 504 when it took long.
            NotServed: there is no such model or version.
        """
        body = await body_of(request, self._desk)  # before it counts: a slow line must not keep others out
        if self._num_asked >= MAX_AT_A_TIME:
            raise overloaded()
        self._num_asked += 1
        try:
            async with asyncio.timeout(settings.REQUEST_TIMEOUT_S):
                return await self._answer(request, body, name, version)
        except TimeoutError:
            text = f"no explanation within {settings.REQUEST_TIMEOUT_S:.0f} s; send fewer rows, or ask for fewer "
            raise RequestFault(HTTPStatus.GATEWAY_TIMEOUT, text + "`parameters.evaluations`") from None
        finally:
            self._num_asked -= 1

    async def _answer(
        self, request: Request, body: bytes, name: str, version: str | None
    ) -> tuple[Served, list[dict[str, Any]]]:
        found = await asked(request, body, self._desk, name, version, _read)
        served, (wished, evaluations) = found.served, found.wish
        assert isinstance(found.batch, Batch), "rows to explain are converted as they are read"
        of = _class(served, wished)
        _check_size(len(found.batch), 0)  # a forecast has a row for each step
        rows_, cost = await asyncio.to_thread(_rows, served, found, found.batch, evaluations)
        _check_size(len(rows_), cost)
        told = [await self._explained(served, row, of, evaluations) for row in rows_]
        return served, [one.to_json() for one in told]

    async def _explained(self, served: Served, row: Row, of: int | None, evaluations: int) -> Explanation:
        asking = served.explainer.explain(row, of, evaluations)
        step = await asyncio.to_thread(_next, asking, None)
        while isinstance(step, Batch):
            async with self._turn:
                prediction_NK = await predicted(self._desk, served.explaining, step)
            step = await asyncio.to_thread(_next, asking, prediction_NK)
        return step


def _rows(served: Served, found: Asked[Wish], batch: Batch, evaluations: int) -> tuple[list[Row], int]:
    """Return the rows to explain, and how many evaluations that takes."""
    explainer = served.explainer
    rows_ = explainer.rows(found.table, batch, found.framed)
    return rows_, sum(explainer.cost(row, evaluations) for row in rows_)


def _next(asking: Asking, said: np.ndarray | None) -> Batch | Explanation:
    """Return the rows that an explanation asks about next, or the explanation."""
    try:
        return asking.send(said)  # type: ignore[arg-type]  # None begins
    except StopIteration as done:
        found: Explanation = done.value
        return found


def _read(body: bytes, served: Served) -> tuple[Sent, Wish]:
    content = invocations.content_of(body)
    wish = _wish(content.pop("parameters", None))
    sent = invocations.to_rows(content, served.asks, invocations.V1_FORMS)
    if served.framing is None:  # a forecast has a row for each step; those are counted later
        _check_size(sent.num_rows, 0)
    return sent, wish


def _wish(parameters: Any) -> Wish:
    if parameters is None:
        return None, EVALUATIONS
    if not isinstance(parameters, dict) or set(parameters) - set(PARAMETERS):
        raise bad_request(f"parameters: found {rows.described(parameters)}, expected {' and '.join(PARAMETERS)}")
    name, evaluations = parameters.get("class"), parameters.get("evaluations", EVALUATIONS)
    if name is not None and not isinstance(name, str):
        raise bad_request(f"parameters.class: found {rows.described(name)}, expected a class as text")
    if isinstance(evaluations, float) and evaluations.is_integer():
        evaluations = int(evaluations)  # JSON has one kind of number: 256.0 is whole
    if type(evaluations) is not int or not FEWEST_EVALUATIONS <= evaluations <= MOST_EVALUATIONS:
        found = rows.described(evaluations)
        expected = f"a whole number from {FEWEST_EVALUATIONS} to {MOST_EVALUATIONS:,}"
        raise bad_request(f"parameters.evaluations: found {found}, expected {expected}")
    return name, evaluations


def _class(served: Served, name: str | None) -> int | None:
    try:
        return served.explainer.explained_class(name)
    except SpecFault as fault:
        raise bad_request(f"parameters.{fault}") from None


def _check_size(num_rows: int, num_evaluations: int) -> None:
    if num_rows > MAX_ROWS or num_evaluations > MAX_EVALUATIONS:
        found = f"{num_rows:,} rows" + (f" take {num_evaluations:,} evaluations" if num_evaluations else "")
        limit = f"at most {MAX_ROWS} rows and {MAX_EVALUATIONS:,} evaluations of the model are made in one request"
        text = f"{found}; {limit}; send fewer rows at a time, or use `assay explain` for a file"
        raise RequestFault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
