"""What the server counted, for Prometheus: `/metrics`, of all replicas whichever is asked."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from assay_serving.desk import Desk
from assay_serving.metrics import Metrics
from assay_serving.openapi.route import TEXT, says


def install(app: FastAPI, _: Desk) -> None:
    """Add the route."""
    counted: Metrics = app.state.metrics

    @app.get("/metrics", **says("What was counted, for Prometheus; of all replicas.", {"text/plain": TEXT}))
    async def metrics(request: Request) -> Response:
        text, content_type = await counted.told(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})
