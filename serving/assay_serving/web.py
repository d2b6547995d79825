"""The whole HTTP application: every door on one desk, behind one gate."""

from __future__ import annotations

from fastapi import FastAPI

from assay_serving import faults, settings
from assay_serving.desk import Desk
from assay_serving.doors import mlflow, open_inference
from assay_serving.gate import VERSION_HEADER, Gate
from assay_serving.shadow import Mirror

DOORS = (open_inference, mlflow)


def create_app(desk: Desk, token_digest: str | None, mirror: Mirror | None = None) -> FastAPI:
    """Return the application; it needs no Ray. `mirror` knows how shadows compare."""
    app = FastAPI(title="assay", version=settings.PRODUCT_VERSION, docs_url=None, redoc_url=None)
    faults.install(app, lambda: {VERSION_HEADER: desk.version})
    app.add_middleware(Gate, digest=token_digest, version=lambda: desk.version)
    app.state.mirror = mirror
    for door in DOORS:
        door.install(app, desk)
    # Routes are tried in turn, by FastAPI and by Serve again: first those that are asked most.
    app.router.routes.sort(key=lambda route: "POST" not in (getattr(route, "methods", None) or ()))
    return app
