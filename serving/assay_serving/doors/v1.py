"""The V1 protocol of KServe and TensorFlow Serving: `/v1/models`, `:predict`, and `:explain` a row by contributions."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from assay_serving import degraded, explaining, invocations
from assay_serving.desk import Desk
from assay_serving.exchange import KEY_HEADER, answered, json_response, loaded
from assay_serving.openapi import v1 as schemas
from assay_serving.openapi.route import BAD_ROWS, JSON, PREDICTING, TEXT, says
from assay_serving.rows import Sent
from assay_serving.served import Served


def install(app: FastAPI, desk: Desk) -> None:
    """Add the routes."""
    _add_models(app, desk)
    explained = explaining.Explaining(desk)
    said = says(
        "Predictions for rows, as KServe and TensorFlow Serving have them.",
        JSON(schemas.answer),
        body=JSON(schemas.request),
        headers={KEY_HEADER: TEXT},
        query=BAD_ROWS,
        errors=PREDICTING,
        scope="predict",
    )

    @app.post("/v1/models/{name}/versions/{version}:predict", **said)
    @app.post("/v1/models/{name}:predict", **said)
    async def predict(request: Request, name: str, version: str | None = None) -> Response:
        found = await answered(request, desk, name, version, _read)
        answer = found.answer
        content = found.rows.records(invocations.answer(answer.served.model, answer.prediction_NK, found.told))
        content = _by_columns(content) if found.wish else content
        return json_response(degraded.flagged(content, answer.turnout), answer.served)

    said = says(
        "What each column added to each answer.",
        JSON(schemas.explanations),
        body=JSON(partial(schemas.explain_request, most_rows=explaining.MAX_ROWS)),
        headers={KEY_HEADER: TEXT},
        errors=PREDICTING,
        scope="predict",
    )

    @app.post("/v1/models/{name}/versions/{version}:explain", **said)
    @app.post("/v1/models/{name}:explain", **said)
    async def explain(request: Request, name: str, version: str | None = None) -> Response:
        served, explanations = await explained.answer(request, name, version)
        return json_response({"explanations": explanations}, served)


def _add_models(app: FastAPI, desk: Desk) -> None:
    @app.get("/v1/models", **says("The names of the models.", JSON(schemas.MODELS)))
    async def models() -> Response:
        return json_response({"models": [plan.name for plan in desk.routes]})

    said = says("Whether a model answers, and its versions.", JSON(schemas.MODEL))

    @app.get("/v1/models/{name}/versions/{version}", **said)
    @app.get("/v1/models/{name}", **said)
    async def model(name: str, version: str | None = None) -> Response:
        if ":" in (version or name):  # no name has a colon: this is `m:predict`, asked with GET
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
        served = await loaded(desk, desk.routes.find(name, version))
        refs = [served.ref] if version else desk.routes.plan(name).answering
        status = {"error_code": "OK", "error_message": ""}
        states = [{"version": ref.version, "state": "AVAILABLE", "status": status} for ref in refs]
        return json_response({"name": name, "ready": True, "model_version_status": states}, served)


def _read(body: bytes, served: Served) -> tuple[Sent, bool]:
    """Return the rows of a request, and whether they came by columns."""
    content = invocations.content_of(body)
    return invocations.to_rows(content, served.asks, invocations.V1_FORMS), "inputs" in content


def _by_columns(content: dict[str, Any]) -> dict[str, Any]:
    """Return the answer as TensorFlow Serving gives it to `inputs`: a list for each output."""
    records = content["predictions"]
    rest = {key: value for key, value in content.items() if key != "predictions"}
    return {"outputs": {name: [record[name] for record in records] for name in records[0]}, **rest}
