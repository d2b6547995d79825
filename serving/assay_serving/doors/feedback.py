"""True labels of rows that were answered: `POST /feedback`, kept beside the prediction log and joined to it.

    {"model": "churn", "request_id": "8f0c…", "labels": ["yes", null, "no"]}          the rows of one request, in order
    {"model": "churn", "feedback": [{"request_id": "8f0c…", "row": 2, "label": "no"}]}    rows of many requests
    [{"request_id": "8f0c…", "row": 2, "label": "no"}]                          the same, of the server's only model

The id of a request came with its answer, in the header `x-request-id`. A label that is null is not known yet. Sending
labels again does no harm: of several for one row the last counts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import pyarrow as pa
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from assay.errors import ClusterFault, did_you_mean
from assay.profile import LabelProfile
from assay_serving import rows, settings
from assay_serving.batching import Overloaded
from assay_serving.desk import Desk
from assay_serving.exchange import body_of, json_response, loaded, off_loop, overloaded
from assay_serving.faults import RequestFault, bad_request
from assay_serving.logbook import Logbook
from assay_serving.openapi import feedback as schemas
from assay_serving.openapi.route import JSON, says

RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
LARGEST = sys.float_info.max
MAX_TOLD = 8  # faults that one answer names
MAX_FIX = 200  # characters: a model may have a thousand classes


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


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
    feedback: Annotated[list[Label], Field(min_length=1)]


def install(app: FastAPI, desk: Desk) -> None:
    """Add the route."""

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
        body = await body_of(request, desk)
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
        raise bad_request(_joined([fault.removeprefix(": ") for fault in faults])) from None
    if len(told.feedback) > settings.MAX_ROWS:
        text = f"{len(told.feedback):,} labels in one request, at most {settings.MAX_ROWS:,} are taken; send fewer"
        raise RequestFault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
    return told


def _joined(faults: Sequence[str]) -> str:
    more = f" (and {len(faults) - MAX_TOLD:,} more)" if len(faults) > MAX_TOLD else ""
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
    read = _class if label.classes else _number
    found = [read(one.label, label) for one in told]
    faults = [
        f"request '{one.request_id}' row {one.row}: {fault}"
        for one, (_, fault) in zip(told, found, strict=True)
        if fault
    ]
    if faults:
        raise bad_request(f"label '{label.name}': {_joined(faults)}; nothing was stored")
    return pa.table(
        {
            "request_id": pa.array([one.request_id for one in told], pa.string()),
            "row": pa.array([one.row for one in told], pa.int64()),
            "label": pa.array([value for value, _ in found], pa.string() if label.classes else pa.float64()),
        }
    )


def _class(value: Any, label: LabelProfile) -> tuple[str | None, str]:
    """Return the class that a label names, as training rows are read: `true`, `1` and `1.0` name "true" and "1"."""
    match value:
        case bool():
            text = str(value).lower()
        case float() if value.is_integer():
            text = str(int(value))
        case str() | int() | float():
            text = str(value).strip()
        case _:
            return None, f"found {rows.described(value)}, expected one of its classes"
    if text in label.classes:
        return text, ""
    fix = did_you_mean(text, label.classes)
    return None, f"found {rows.described(value)}, which is none of its classes; {fix[:MAX_FIX]}"


def _number(value: Any, _: LabelProfile) -> tuple[float | None, str]:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST:
        return float(value), ""
    fix = "; send numbers without quotes" if isinstance(value, str) and rows.LOOKS_NUMERIC.match(value) else ""
    return None, f"found {rows.described(value)}, expected a number{fix}"


async def _store(logbook: Logbook, name: str, labels: pa.Table) -> None:
    try:
        await logbook.store_labels(name, labels)
    except Overloaded:
        raise overloaded() from None
    except ClusterFault as fault:
        text = f"{labels.num_rows:,} labels of '{name}' were not stored"
        logbook.warn(f"{text}: {fault}")
        headers = {"Retry-After": str(settings.RETRY_AFTER_S)}
        again = f"{text}: the server cannot write them now; send them again later"
        raise RequestFault(HTTPStatus.SERVICE_UNAVAILABLE, again, headers) from None
