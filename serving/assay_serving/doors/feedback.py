"""True labels of rows that were answered: `POST /feedback`, kept beside the prediction log and joined to it.

    {"model": "churn", "request_id": "8f0c…", "labels": ["yes", null, "no"]}          the rows of one request, in order
    {"model": "churn", "feedback": [{"request_id": "8f0c…", "row": 2, "label": "no"}]}    rows of many requests
    [{"request_id": "8f0c…", "row": 2, "label": "no"}]                          the same, of the server's only model

The id of a request came with its answer, in the header `x-request-id`. A label that is null is not known yet. Sending
labels again does no harm: of several for one row the last counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import pyarrow as pa
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from assay.cells import as_float, canonical_text, class_codes, stored
from assay.errors import ClusterFault, did_you_mean
from assay.profile import LabelProfile
from assay.store import prediction_log
from assay_serving import bodies, rows, settings
from assay_serving.batching import Overloaded
from assay_serving.desk import Desk
from assay_serving.exchange import body_of, json_response, loaded, off_loop, overloaded
from assay_serving.faults import RequestFault, bad_request
from assay_serving.logbook import Logbook
from assay_serving.openapi import feedback as schemas
from assay_serving.openapi.route import JSON, says
from assay_serving.request_ids import FORM
from assay_serving.waiting import WaitingRoom

RequestId = Annotated[str, Field(pattern=f"^{FORM.pattern}$")]
LARGEST = sys.float_info.max
MAX_KEYS = 16  # of an object, beyond which they are not named: each fault takes a kilobyte
MAX_TOLD = 8  # faults that one answer names
MAX_FIX = 200  # characters: a model may have a thousand classes


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_keys(cls, found: Any) -> Any:
        if isinstance(found, dict) and len(found) > MAX_KEYS:
            raise ValueError(f"found {len(found):,} keys, expected {', '.join(cls.model_fields)}")
        return found


class Label(_Told):
    """The true label of one answered row."""

    request_id: RequestId
    row: int = Field(0, ge=0, lt=settings.MAX_ROWS)
    label: Any


class Labels(_Told):
    """The true labels of the rows of one request, in their order."""

    model: str | None = None
    request_id: RequestId
    labels: Annotated[list[Any], Field(min_length=1)]

    @property
    def feedback(self) -> list[Label]:
        """The same, row by row."""
        told = enumerate(self.labels)
        return [Label.model_construct(request_id=self.request_id, row=row, label=label) for row, label in told]


class Feedback(_Told):
    """True labels of rows of any requests to one model."""

    model: str | None = None
    feedback: Annotated[list[Label], Field(min_length=1, fail_fast=True)]  # a million faults would fill the memory


def install(app: FastAPI, desk: Desk) -> None:
    """Add the route."""

    room = WaitingRoom(settings.MAX_WAIT_S)  # of its own: the pace of labels says nothing of that of predictions

    @app.post(
        "/feedback",
        **says(
            "Takes the true labels of rows that were answered.",
            JSON(schemas.ANSWER),
            body=JSON(schemas.request),
            errors={404},
            scope="predict",
        ),
    )
    async def feedback(request: Request) -> Response:
        logbook: Logbook | None = app.state.logbook
        if logbook is None or logbook.plan is None:
            text = "this server keeps no labels: its operator gave it no storage (`prediction_log` in its plan)"
            raise RequestFault(HTTPStatus.FORBIDDEN, text)
        try:
            body = await body_of(request, desk)
            with room.admitted(len(body)):
                return await taken(body, logbook)
        except Overloaded:
            raise overloaded() from None

    async def taken(body: bytes, logbook: Logbook) -> Response:
        told = await off_loop(lambda: _read(body), len(body))
        name = _model(told.model, desk)
        label = (await loaded(desk, desk.routes.find(name))).model.profile.label
        known = [one for one in told.feedback if one.label is not None]
        table = await off_loop(lambda: _table(known, label), len(body))
        if known:
            await _store(logbook, name, table)
        in_log = await off_loop(lambda: sum(logbook.keeps(one.request_id) for one in known), len(body))
        return json_response({"model": name, "stored": len(known), "in_log": in_log})


def _read(body: bytes) -> Labels | Feedback:
    """Return what a body tells.

    Raises:
        RequestFault: 400 with each place that is not as it should be; 413 for too many labels.
    """
    try:
        with bodies.parsing(body):
            content = from_json(body)
    except ValueError as error:
        raise bad_request(f"the body is not JSON ({error})") from None
    content = {"feedback": content} if isinstance(content, list) else content
    if not isinstance(content, dict):
        raise bad_request(f"the body is {rows.described(content)}, expected an object, or a list of labels")
    form = Labels if "labels" in content else Feedback
    try:
        told: Labels | Feedback = form.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise bad_request(_joined([fault.removeprefix(": ") for fault in faults], len(faults))) from None
    if len(told.feedback) > settings.MAX_ROWS:
        text = f"{len(told.feedback):,} labels in one request, at most {settings.MAX_ROWS:,} are taken; send fewer"
        raise RequestFault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
    return told


def _joined(faults: Sequence[str], number: int) -> str:
    more = f" (and {number - MAX_TOLD:,} more)" if number > MAX_TOLD else ""
    return "; ".join(faults[:MAX_TOLD]) + more


def _model(name: str | None, desk: Desk) -> str:
    names = list(desk.routes.plans)
    if name is None and len(names) > 1:
        raise bad_request(f"model: is missing, and this server has several: {', '.join(names)}")
    return desk.routes.plan(names[0] if name is None else name).name


def _table(told: Sequence[Label], label: LabelProfile) -> pa.Table:
    """Return labels as they are stored: text of known classes, or numbers.

    Raises:
        RequestFault: 400 naming those that no row of this model can have.
    """
    read = partial(_class, label.classes) if label.classes else _number
    found = [read(one.label) for one in told]
    wrong = [one for one, value in zip(told, found, strict=True) if value is None]
    if wrong:  # the words for each take milliseconds
        faults = [f"request '{one.request_id}' row {one.row}: {_why(one.label, label)}" for one in wrong[:MAX_TOLD]]
        raise bad_request(f"label '{label.name}': {_joined(faults, len(wrong))}; nothing was stored")
    return pa.table(
        {
            prediction_log.REQUEST_ID: pa.array([one.request_id for one in told], pa.string()),
            prediction_log.ROW: pa.array([one.row for one in told], pa.int64()),
            prediction_log.TIME: pa.array([time.time_ns() // 1_000] * len(told), prediction_log.TIME_TYPE),
            "label": pa.array(found, pa.string() if label.classes else pa.float64()),
        }
    )


def _class(classes: tuple[str, ...], value: Any) -> str | None:
    """Return the class that a label names, however it is spelled: `true`, `1` and `1.0` name "true" and "1"."""
    text = _text(value)
    if text is None or text in classes:
        return text
    code = int(class_codes(pa.array([text]), classes)[0])
    return classes[code] if 0 <= code < len(classes) else None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, bool | int | float) or (isinstance(value, int) and abs(value) >= 2**63):
        return None
    text: str | None = canonical_text(stored(pa.array([value])))[0].as_py()
    return text


def _number(value: Any) -> float | None:
    value = as_float(value) if isinstance(value, str) else value
    fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
    return float(value) if fits else None


def _why(value: Any, label: LabelProfile) -> str:
    """Return what is wrong with a label that no row of this model can have."""
    found, text = f"found {rows.described(value)}", _text(value)
    if not label.classes:
        return f"{found}, expected a number"
    if text is None:
        return f"{found}, expected one of its classes"
    return f"{found}, which is none of its classes; {did_you_mean(text[:MAX_FIX], label.classes)[:MAX_FIX]}"


async def _store(logbook: Logbook, name: str, labels: pa.Table) -> None:
    try:
        await logbook.store_labels(name, labels)
    except ClusterFault as fault:
        text = f"{labels.num_rows:,} labels of '{name}' were not stored"
        logbook.warn(f"{text}: {fault}")
        headers = {"Retry-After": str(settings.RETRY_AFTER_S)}
        again = f"{text}: the server cannot write them now; send them again later"
        raise RequestFault(HTTPStatus.SERVICE_UNAVAILABLE, again, headers) from None
