"""`/openapi.json`: the description of this server, for people, clients made from it, and tests."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from assay_serving.desk import Desk
from assay_serving.exchange import json_response
from assay_serving.openapi.document import document, placed
from assay_serving.openapi.route import JSON, record, says


def install(app: FastAPI, desk: Desk) -> None:
    """Add the route."""

    @app.get("/openapi.json", **says("This document.", JSON(record(openapi={"type": "string"}))))
    async def describe(request: Request) -> Response:
        prefix = request.headers.get("x-forwarded-prefix") or request.scope.get("root_path", "")
        return json_response(placed(await document(app, desk), prefix))
