"""The whole HTTP application: every door on one desk, behind one gate."""

from __future__ import annotations

from fastapi import FastAPI

from assay_serving import faults, settings
from assay_serving.degraded import Marks
from assay_serving.desk import Desk
from assay_serving.doors import mlflow, open_inference, openapi
from assay_serving.gate import VERSION_HEADER, Gate
from assay_serving.shadow import Mirror

DOORS = (open_inference, mlflow, openapi)


def create_app(desk: Desk, token_digest: str | None, mirror: Mirror | None = None) -> FastAPI:
    """Return the application; it needs no Ray. `mirror` knows how shadows compare."""
    app = FastAPI(title="assay", version=settings.PRODUCT_VERSION, openapi_url=None)
    faults.install(app, lambda: {VERSION_HEADER: desk.version})
    app.add_middleware(Gate, digest=token_digest, version=lambda: desk.version)
    app.add_middleware(Marks)
    app.state.mirror = mirror
    app.state.guarded = token_digest is not None
    for door in DOORS:
        door.install(app, desk)
    return app
