"""The whole HTTP application: every door on one desk, behind one gate."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from assay_serving import access_log, faults, settings
from assay_serving.access import Access
from assay_serving.degraded import Marks
from assay_serving.desk import Desk
from assay_serving.doors import feedback, metrics, mlflow, open_inference, openapi, page, v1
from assay_serving.gate import VERSION_HEADER, Gate, Traffic
from assay_serving.hosts import HostNames
from assay_serving.logbook import Logbook
from assay_serving.metrics import Metrics
from assay_serving.scopes import Ways
from assay_serving.shadow import Mirror

DOORS = (open_inference, mlflow, v1, feedback, metrics, page, openapi)


def create_app(
    desk: Desk,
    access: Access | None = None,
    mirror: Mirror | None = None,
    hosts: HostNames | None = None,
    logbook: Logbook | None = None,
) -> FastAPI:
    """Return the application; it needs no Ray.

    `access` knows the tokens, without it everybody may come in; `hosts` the names that are answered, without it all;
    `mirror` how shadows compare; `logbook` keeps labels.
    """
    app = FastAPI(title="assay", version=settings.PRODUCT_VERSION, openapi_url=None, redirect_slashes=False)
    faults.install(app, lambda: {VERSION_HEADER: desk.version})
    access, traffic = access or Access(), Traffic()
    app.add_middleware(
        Gate, ways=Ways(app.router.routes), access=access, hosts=hosts, version=lambda: desk.version, traffic=traffic
    )
    app.add_middleware(Marks)
    app.state.mirror = mirror
    app.state.logbook = logbook
    app.state.access = access
    app.state.metrics = Metrics(desk, traffic, mirror)
    traffic.watching += [app.state.metrics.ended, access_log.write]
    for door in DOORS:
        door.install(app, desk)
    # Routes are tried in turn, by FastAPI and by Serve again: first those that are asked most.
    app.router.routes.sort(key=lambda route: "POST" not in (getattr(route, "methods", None) or ()))
    for route in app.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")  # as HTTP has it; the server leaves the body out
    return app
