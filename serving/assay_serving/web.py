"""The whole HTTP application: every door on one desk, behind one gate."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from assay_serving import faults, settings
from assay_serving.degraded import Marks
from assay_serving.desk import Desk
from assay_serving.doors import mlflow, open_inference, openapi, v1
from assay_serving.gate import VERSION_HEADER, Gate
from assay_serving.shadow import Mirror

DOORS = (open_inference, mlflow, v1, openapi)


def create_app(desk: Desk, token_digest: str | None, mirror: Mirror | None = None) -> FastAPI:
    """Return the application; it needs no Ray. `mirror` knows how shadows compare."""
    app = FastAPI(title="assay", version=settings.PRODUCT_VERSION, openapi_url=None, redirect_slashes=False)
    faults.install(app, lambda: {VERSION_HEADER: desk.version})
    app.add_middleware(Gate, digest=token_digest, version=lambda: desk.version)
    app.add_middleware(Marks)
    app.state.mirror = mirror
    app.state.guarded = token_digest is not None
    for door in DOORS:
        door.install(app, desk)
    for route in app.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")  # as HTTP has it; the server leaves the body out
    return app
