"""Open Inference Protocol v2: health, metadata, inference, and what Triton's clients ask beside: config, statistics."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response

from assay_serving import binary_tensors, degraded, open_inference, settings
from assay_serving.desk import Desk
from assay_serving.exchange import KEY_HEADER, answered, json_response, loaded
from assay_serving.faults import RequestFault
from assay_serving.gate import VERSION_HEADER
from assay_serving.openapi import tensors as schemas
from assay_serving.openapi.route import BAD_ROWS, BYTES, JSON, PREDICTING, TEXT, says
from assay_serving.rows import Sent
from assay_serving.served import Served

Wish = tuple[open_inference.InferRequest, list[str]]

STATS = "stats"  # a word of the protocol where the name of a model stands


def install(app: FastAPI, desk: Desk) -> None:
    """Add the routes."""
    _add_health(app, desk)
    _add_repository(app, desk)  # before the models: the first route that fits answers, and `stats` fits `{name}`
    _add_inference(app, desk)


def _add_health(app: FastAPI, desk: Desk) -> None:
    said = says("Name and extensions of the server.", JSON(schemas.SERVER))

    @app.get("/v2/", **said)
    @app.get("/v2", **said)
    async def server() -> Response:
        extensions = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]
        return json_response({"name": "assay", "version": settings.PRODUCT_VERSION, "extensions": extensions})

    @app.get("/v2/health/live", **says("Whether the process runs.", JSON(schemas.LIVE), scope="public"))
    async def live() -> Response:
        return json_response({"live": True})

    @app.get("/v2/health/ready", **says("Whether it answers predictions.", JSON(schemas.READY), scope="public"))
    async def ready() -> Response:
        return json_response({"ready": True, "live": True})

    said = says("Whether a model answers.", JSON(schemas.MODEL_READY))

    @app.get("/v2/models/{name}/versions/{version}/ready", **said)
    @app.get("/v2/models/{name}/ready", **said)
    async def model_ready(name: str, version: str | None = None) -> Response:
        desk.routes.find(name, version)
        return json_response({"name": name, "ready": True})


def _add_inference(app: FastAPI, desk: Desk) -> None:
    said = says("Columns, outputs, classes and versions of a model.", JSON(schemas.METADATA))

    @app.get("/v2/models/{name}/versions/{version}", **said)
    @app.get("/v2/models/{name}", **said)
    async def metadata(name: str, version: str | None = None) -> Response:
        served = await loaded(desk, desk.routes.find(name, version))
        return json_response(_about(served, desk), served)

    said = says(
        "Predictions for tensors, one for each column.",
        {**JSON(schemas.answer), "application/octet-stream": BYTES},
        body=JSON(schemas.request),
        headers={KEY_HEADER: TEXT},
        query=BAD_ROWS,
        errors=PREDICTING,
        scope="predict",
    )

    @app.post("/v2/models/{name}/versions/{version}/infer", **said)
    @app.post("/v2/models/{name}/infer", **said)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        header = request.headers.get(binary_tensors.HEADER)
        found = await answered(request, desk, name, version, partial(_read, header))
        (asked, names), answer, served = found.wish, found.answer, found.answer.served
        content = open_inference.answer(served.ref, served.model, answer.prediction_NK, names, asked.id, found.told)
        return _response(degraded.parametrised(found.rows.tensors(content), answer.turnout), asked, served)


def _response(content: dict[str, Any], asked: open_inference.InferRequest, served: Served) -> Response:
    general, by_name = open_inference.binary_outputs(asked)
    parts = [
        binary_tensors.encoded(tensor) if by_name.get(tensor["name"], general) else (tensor, b"")
        for tensor in content["outputs"]
    ]
    answer = json_response({**content, "outputs": [tensor for tensor, _ in parts]}, served)
    if not any(binary_tensors.SIZE in tensor.get("parameters", {}) for tensor, _ in parts):
        return answer
    headers = {VERSION_HEADER: served.ref.version, binary_tensors.HEADER: str(len(answer.body))}
    body = bytes(answer.body) + b"".join(raw for _, raw in parts)
    return Response(body, headers=headers, media_type="application/octet-stream")


def _read(header: str | None, body: bytes, served: Served) -> tuple[Sent, Wish]:
    asked = open_inference.read(body, header)
    open_inference.binary_outputs(asked)  # before anything is predicted
    names = open_inference.wished(asked, served.model, served.framing)
    return open_inference.to_rows(asked, served.asks), (asked, names)


def _add_repository(app: FastAPI, desk: Desk) -> None:
    said = says("The model's configuration, in Triton's words.", JSON(schemas.CONFIG))

    @app.get("/v2/models/{name}/versions/{version}/config", **said)
    @app.get("/v2/models/{name}/config", **said)
    async def config(name: str, version: str | None = None) -> Response:
        served = await loaded(desk, desk.routes.find(name, version))
        return json_response(open_inference.config(_about(served, desk), settings.MAX_ROWS), served)

    said = says("What was asked of a model, in Triton's words.", JSON(schemas.STATISTICS))

    @app.get("/v2/models/{name}/versions/{version}/stats", **said)
    @app.get("/v2/models/{name}/stats", **said)
    async def stats(name: str, version: str | None = None) -> Response:
        plan, asked = desk.routes.plan(name), desk.routes.find(name, version)
        refs = plan.answering if version is None else [asked]
        found = [_statistics(await loaded(desk, ref)) for ref in refs]
        if version is None and plan.shadow and app.state.mirror:
            found[0]["shadow"] = app.state.mirror.told(plan.ref(plan.shadow))
        if version is None and app.state.logbook:
            found[0]["log"] = app.state.logbook.told()
        return json_response({"model_stats": found})

    @app.get(f"/v2/models/{STATS}", **says("What was asked of all models.", JSON(schemas.STATISTICS)))
    async def all_stats() -> Response:
        refs = [ref for plan in desk.routes for ref in plan.answering]
        found: dict[str, Any] = {"model_stats": [_statistics(await loaded(desk, ref)) for ref in refs]}
        if STATS in desk.routes.plans:  # this is the address of its metadata too
            found = _about(await loaded(desk, desk.routes.find(STATS)), desk) | found
        return json_response(found)

    @app.post("/v2/repository/index", **says("All versions, and why one is not loaded.", JSON(schemas.INDEX)))
    async def index() -> Response:
        ready = {(ref.name, ref.version): ("READY", "") for plan in desk.routes for ref in plan.answering}
        refused = {key: ("UNAVAILABLE", why) for key, why in desk.refused.items()}
        states = {**ready, **refused}
        return json_response(
            [
                {"name": name, "version": version, "state": state, "reason": why}
                for (name, version), (state, why) in states.items()
            ]
        )

    @app.post(
        "/v2/repository/models/{name}/{action}",
        **says("Refused: models are switched by the operator.", None, scope="admin"),
    )
    async def load_or_unload(name: str, action: str) -> Response:
        raise RequestFault(
            HTTPStatus.FORBIDDEN, f"{action} of '{name}': models are switched by the operator, not by clients"
        )


def _about(served: Served, desk: Desk) -> dict[str, Any]:
    plan = desk.routes.plan(served.ref.name)
    about = open_inference.metadata(served.ref, served.model, served.asks, served.framing)
    about["parameters"] |= {"release": plan.roles()}
    return about | {"versions": [ref.version for ref in plan.answering]}


def _statistics(served: Served) -> dict[str, Any]:
    tally = served.tally
    queue_ns = max(0, tally.wait_ns - tally.compute_ns)
    return {
        "name": served.ref.name,
        "version": served.ref.version,
        "last_inference": tally.last_ms,
        "inference_count": tally.num_rows,
        "execution_count": tally.num_calls,
        "inference_stats": {
            "success": {"count": tally.num_requests, "ns": tally.wait_ns},
            "fail": {"count": tally.num_failed, "ns": 0},
            "queue": {"count": tally.num_requests, "ns": queue_ns},
            "compute_infer": {"count": tally.num_calls, "ns": tally.compute_ns},
            "degraded": {"count": tally.num_degraded, "ns": 0},
        },
    }
