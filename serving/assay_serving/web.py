"""The routes: two doors, Open Inference Protocol v2 and MLflow's scoring protocol, on one desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import pyarrow as pa
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic_core import to_json

from assay.batch import Batch
from assay.forecasting.framing import Framed
from assay_serving import bodies, faults, invocations, open_inference, settings
from assay_serving.batching import Overloaded
from assay_serving.desk import Desk, Served
from assay_serving.faults import RequestFault, bad_request
from assay_serving.gate import VERSION_HEADER, Gate

BINARY_HEADER = "inference-header-content-length"
Result = TypeVar("Result")


def create_app(desk: Desk, token_digest: str | None) -> FastAPI:
    """Return the whole HTTP application for one desk; it needs no Ray."""
    app = FastAPI(title="assay", version=settings.PRODUCT_VERSION, docs_url=None, redoc_url=None)
    faults.install(app, lambda: {VERSION_HEADER: desk.version})
    app.add_middleware(Gate, digest=token_digest, version=lambda: desk.version)
    _add_open_inference(app, desk)
    _add_repository(app, desk)
    _add_mlflow(app, desk)
    return app


def _add_open_inference(app: FastAPI, desk: Desk) -> None:
    @app.get("/v2/")
    @app.get("/v2")
    async def server() -> Response:
        return _json(
            {"name": "assay", "version": settings.PRODUCT_VERSION, "extensions": ["model_repository", "statistics"]}
        )

    @app.get("/v2/health/live")
    async def live() -> Response:
        return _json({"live": True})

    @app.get("/v2/health/ready")
    async def ready() -> Response:
        return _json({"ready": True, "live": True})

    @app.get("/v2/models/{name}/versions/{version}/ready")
    @app.get("/v2/models/{name}/ready")
    async def model_ready(name: str, version: str | None = None) -> Response:
        _find(desk, name, version)
        return _json({"name": name, "ready": True})

    @app.get("/v2/models/{name}/versions/{version}")
    @app.get("/v2/models/{name}")
    async def metadata(name: str, version: str | None = None) -> Response:
        served = _find(desk, name, version)
        return _json(open_inference.metadata(served.ref, served.model, served.asks, served.framing), served)

    @app.post("/v2/models/{name}/versions/{version}/infer")
    @app.post("/v2/models/{name}/infer")
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        served = _find(desk, name, version)
        if BINARY_HEADER in request.headers:
            raise bad_request(
                "binary tensors are not supported; send JSON tensors (binary_data=False in Triton's client)"
            )
        body = await _body(request, desk)

        def read() -> tuple[open_inference.InferRequest, list[str], Batch, Framed | None]:
            asked = open_inference.read(body)
            names = open_inference.wished(asked, served.model, served.framing)
            return asked, names, *served.rows(open_inference.to_table(asked, served.asks))

        asked, names, batch, framed = await _off_loop(read, len(body))
        prediction_NK = await _predicted(desk, served, batch)
        told = served.forecast(framed, prediction_NK)
        return _json(open_inference.answer(served.ref, served.model, prediction_NK, names, asked.id, told), served)


def _add_repository(app: FastAPI, desk: Desk) -> None:
    @app.get("/v2/models/{name}/versions/{version}/config")
    @app.get("/v2/models/{name}/config")
    async def config(name: str, version: str | None = None) -> Response:
        served = _find(desk, name, version)
        about = open_inference.metadata(served.ref, served.model, served.asks, served.framing)
        return _json(open_inference.config(about, settings.MAX_ROWS), served)

    @app.get("/v2/models/{name}/versions/{version}/stats")
    @app.get("/v2/models/{name}/stats")
    async def stats(name: str, version: str | None = None) -> Response:
        return _json({"model_stats": [_statistics(_find(desk, name, version), desk)]})

    @app.post("/v2/repository/index")
    async def index() -> Response:
        ref = desk.served.ref
        found = [{"name": ref.name, "version": ref.version, "state": "READY", "reason": ""}]
        if desk.refused:
            other, reason = desk.refused
            found.append({"name": other.name, "version": other.version, "state": "UNAVAILABLE", "reason": reason})
        return _json(found)

    @app.post("/v2/repository/models/{name}/{action}")
    async def load_or_unload(name: str, action: str) -> Response:
        raise RequestFault(
            HTTPStatus.FORBIDDEN, f"{action} of '{name}': models are switched by the operator, not by clients"
        )


def _add_mlflow(app: FastAPI, desk: Desk) -> None:
    @app.post("/invocations")
    async def invoke(request: Request) -> Response:
        served = desk.served
        reader = _reader(request.headers.get("content-type", ""))
        body = await _body(request, desk)
        batch, framed = await _off_loop(lambda: served.rows(reader(body, served.asks)), len(body))
        prediction_NK = await _predicted(desk, served, batch)
        told = served.forecast(framed, prediction_NK)
        return _json(invocations.answer(served.model, prediction_NK, told), served)

    @app.get("/health")
    @app.get("/ping")
    async def ping() -> Response:
        return Response("\n", media_type="application/json")  # as MLflow's own server does

    @app.get("/version")
    async def version() -> Response:
        return PlainTextResponse(settings.PRODUCT_VERSION)


def _reader(content_type: str) -> Callable[[bytes, Any], pa.Table]:
    kind, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    readers = {"application/json": invocations.from_json_body, "text/csv": invocations.from_csv_body}
    reader = readers.get(kind.strip().lower())
    if reader is None or charset not in ("", "utf-8"):
        raise RequestFault(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is '{content_type}', expected {' or '.join(readers)}, in UTF-8",
        )
    return reader


def _find(desk: Desk, name: str, version: str | None) -> Served:
    served = desk.served
    if name != served.ref.name:
        raise RequestFault(HTTPStatus.NOT_FOUND, f"no model named '{name}', this server has '{served.ref.name}'")
    if version not in (None, served.ref.version):
        known = served.ref.version
        raise RequestFault(HTTPStatus.NOT_FOUND, f"model '{name}' has no version '{version}' here, it has '{known}'")
    return served


async def _body(request: Request, desk: Desk) -> bytes:
    try:
        desk.admit()  # before reading: a server that is full must not fill its memory too
    except Overloaded:
        raise _overloaded() from None
    headers = request.headers
    return await bodies.read(request.stream(), headers.get("content-encoding", ""), headers.get("content-length", ""))


async def _off_loop(read: Callable[[], Result], size_bytes: int) -> Result:
    """Run `read` where it does not hold up the health checks; a small body is done sooner than a thread starts."""
    return read() if size_bytes <= settings.INLINE_BODY_BYTES else await asyncio.to_thread(read)


async def _predicted(desk: Desk, served: Served, batch: Batch) -> Any:
    try:
        return await desk.predict(served, batch)
    except Overloaded:
        raise _overloaded() from None
    except TimeoutError:
        text = f"no prediction within {settings.REQUEST_TIMEOUT_S:.0f} s; send fewer rows at a time"
        raise RequestFault(HTTPStatus.GATEWAY_TIMEOUT, text) from None


def _overloaded() -> RequestFault:
    return RequestFault(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{settings.MAX_WAITING} requests wait already; try again after {settings.RETRY_AFTER_S} s",
        {"Retry-After": str(settings.RETRY_AFTER_S)},
    )


def _json(content: Any, served: Served | None = None) -> Response:
    headers = {VERSION_HEADER: served.ref.version} if served else None
    # JSON has no NaN: a prediction that is not a number is sent as null.
    return Response(to_json(content, inf_nan_mode="null"), headers=headers, media_type="application/json")


def _statistics(served: Served, desk: Desk) -> dict[str, Any]:
    tally = desk.tally
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
        },
    }
