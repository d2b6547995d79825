"""The page at `/`, and what it shows of a model: `/v2/models/NAME/card`. All else it asks of the other doors."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from assay.errors import ArtifactFault
from assay.store import card
from assay_serving import shell
from assay_serving.desk import Desk
from assay_serving.exchange import json_response, loaded
from assay_serving.faults import RequestFault
from assay_serving.openapi.card import CARD
from assay_serving.openapi.route import JSON, TEXT, record, says
from assay_serving.served import Served

ALIVE = {"status": "alive"}


def install(app: FastAPI, desk: Desk) -> None:
    """Add the routes."""

    shown = {media_type.partition(";")[0]: TEXT for media_type in shell.TYPES.values()}

    @app.get(
        "/",
        **says(
            "The page that shows the models, for browsers; whether the server answers, for others.",
            {"text/html": TEXT, **JSON(record(status=TEXT))},
            scope="public",
        ),
    )
    async def root(request: Request) -> Response:
        # KServe's client asks here, by its first protocol, whether a server is alive.
        answer = await page(request) if "text/html" in request.headers.get("accept", "") else json_response(ALIVE)
        answer.headers["Vary"] = "Accept"
        return answer

    @app.get("/page/{file}", **says("What the page is made of.", shown, scope="public"))
    async def page(request: Request) -> Response:
        piece = shell.pieces().get(request.url.path)
        if piece is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "Not Found")
        headers = {**shell.HEADERS, "ETag": piece.tag}
        if request.headers.get("if-none-match") == piece.tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(piece.content, headers=headers, media_type=piece.media_type)

    said = says("What a model is, how good, and a few rows as a client sends them.", JSON(CARD))

    @app.get("/v2/models/{name}/versions/{version}/card", **said)
    @app.get("/v2/models/{name}/card", **said)
    async def model_card(name: str, version: str | None = None) -> Response:
        served = await loaded(desk, desk.routes.find(name, version))
        told = await asyncio.to_thread(_card, served)
        release = desk.routes.plan(name).roles()
        return json_response({"name": name, "version": served.ref.version, "release": release, **told}, served)


def _card(served: Served) -> dict[str, Any]:
    try:
        return card.of(Path(served.ref.path), served.model)
    except (ArtifactFault, OSError) as error:
        text = f"model {served.ref.name}/{served.ref.version}: {error}"
        raise RequestFault(HTTPStatus.SERVICE_UNAVAILABLE, text) from None
