"""MLflow's scoring protocol: `/invocations`, `/ping`, `/health` and `/version`, as its own server has them."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from email.message import Message
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from assay_serving import degraded, invocations, settings
from assay_serving.desk import Desk
from assay_serving.exchange import KEY_HEADER, answered, json_response
from assay_serving.faults import RequestFault, bad_request
from assay_serving.openapi import invocations as schemas
from assay_serving.openapi.route import BAD_ROWS, FLAG, JSON, PREDICTING, TEXT, record, says
from assay_serving.rows import Sent
from assay_serving.served import Served

MODEL_HEADER = "x-assay-model"  # the protocol has no name of a model: this says which, of several


def install(app: FastAPI, desk: Desk) -> None:
    """Add the routes."""

    @app.post(
        "/invocations",
        **says(
            "Predictions for a data frame, as MLflow's scoring protocol has them.",
            JSON(schemas.answer),
            body={**JSON(schemas.request), "text/csv": schemas.csv},
            headers={MODEL_HEADER: schemas.model, KEY_HEADER: TEXT},
            query=BAD_ROWS,
            errors={404, *PREDICTING},
            scope="predict",
        ),
    )
    async def invoke(request: Request) -> Response:
        reader = _reader(request.headers.get("content-type", ""))

        def read(body: bytes, served: Served) -> tuple[Sent, None]:
            return reader(body, served.asks), None

        found = await answered(request, desk, request.headers.get(MODEL_HEADER), None, read)
        answer = found.answer
        content = found.rows.records(invocations.answer(answer.served.model, answer.prediction_NK, found.told))
        return json_response(degraded.flagged(content, answer.turnout), answer.served)

    said = says("Whether the server answers.", JSON(record(live=FLAG)), scope="public")

    @app.get("/health", **said)
    @app.get("/ping", **said)
    async def ping() -> Response:
        return json_response({"live": True})  # MLflow's own server sends an empty line; its clients read the status

    @app.get("/version", **says("The version of assay.", {"text/plain": TEXT}))
    async def version() -> Response:
        return PlainTextResponse(settings.PRODUCT_VERSION)


def _reader(content_type: str) -> Callable[[bytes, Any], Sent]:
    """Return what reads a body of this type; parameters other than `charset` change nothing."""
    said = Message()
    said["content-type"] = content_type
    kind, charset = said.get_content_type(), str(said.get_param("charset", "utf-8"))
    readers = {"application/json": invocations.from_json_body, "text/csv": invocations.from_csv_body}
    reader = readers.get(kind) if content_type.strip() else None
    try:
        name = codecs.lookup(charset.strip() or "utf-8").name
    except LookupError:
        name = ""
    plain = name in ("utf-8", "ascii")
    if reader is None or not (plain or (name and kind == "text/csv")):  # JSON is always UTF-8
        raise RequestFault(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is '{content_type[:100]}', expected {' or '.join(readers)}, in UTF-8",
        )
    return reader if plain else partial(_decoded, reader, name)


def _decoded(reader: Callable[[bytes, Any], Sent], charset: str, body: bytes, profile: Any) -> Sent:
    try:
        text = body.decode(charset)
    except (UnicodeError, ValueError, TypeError, AssertionError):
        raise bad_request(f"the body is not text in {charset}, as Content-Type says") from None
    return reader(text.encode(), profile)
