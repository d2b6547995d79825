"""The OpenAPI document of what is served now: the routes, with the columns and classes of the models that answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from assay_serving import degraded, request_ids, settings
from assay_serving.desk import Desk
from assay_serving.exchange import loaded
from assay_serving.gate import VERSION_HEADER
from assay_serving.openapi.route import ALWAYS, JSON, TEXT, WHOLE, Content, Json, Says, Schema, phrase, record, said_of
from assay_serving.routing import Routes
from assay_serving.served import Served

REF = "#/components/"
ERROR = {"$ref": f"{REF}schemas/Error"}
PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
UNDER_LOAD = (429, 503)


async def document(app: FastAPI, desk: Desk) -> Json:
    """Return the document; it changes with the plan, and is made once for each.

    Raises:
        RequestFault: 503, since the files of a version are not what they were.
    """
    kept: tuple[Routes, bool, Json] | None = getattr(app.state, "openapi", None)
    guarded = bool(app.state.access.asks)
    if kept is None or kept[0] is not desk.routes or kept[1] != guarded:
        routes = desk.routes
        there = [await loaded(desk, ref) for plan in routes for ref in plan.answering]
        kept = app.state.openapi = (routes, guarded, _document(app, routes, there, guarded))
    return kept[2]


def _document(app: FastAPI, routes: Routes, there: list[Served], guarded: bool) -> Json:
    paths: dict[str, Json] = {}
    taken: set[str] = set()
    for route in app.routes:
        said = said_of(route)
        if said is None or not isinstance(route, APIRoute):
            continue
        for path, served in _paths(route.path, said, routes, there):
            for method in sorted(set(route.methods or ()) - {"HEAD"}):
                operation = _operation(path, method, said, routes, served, guarded)
                operation["operationId"] = _unique(operation["operationId"], taken)
                paths.setdefault(path, {})[method.lower()] = operation
    security = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if guarded else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": app.title, "version": settings.PRODUCT_VERSION, "description": _about(routes)},
        "paths": paths,
        "components": {"schemas": {"Error": _error()}, **security},
    }


def _unique(name: str, taken: set[str]) -> str:
    """Return the name of an operation that no other has: `/v2` and `/v2/`, or models `a-b` and `a_b`, spell alike."""
    found = next(found for found in chain((name,), (f"{name}_{number}" for number in count(2))) if found not in taken)
    taken.add(found)
    return found


def placed(document: Json, prefix: str) -> Json:
    """Return the document of a server that clients reach below a prefix, such as that of a proxy; "" for none.

    Example:
        >>> placed({"paths": {}}, "/models/")["servers"]
        [{'url': '/models'}]
    """
    prefix = "/" + prefix.strip("/")
    return {**document, "servers": [{"url": prefix if re.fullmatch(PREFIX, prefix) else "/"}]}


PREFIX = r"(/[\w.~-]+)+"


def _about(routes: Routes) -> str:
    names = ", ".join(f"{plan.name} ({', '.join(ref.version for ref in plan.answering)})" for plan in routes)
    return f"Models that answer here: {names}. Every error is JSON with `error`."


def _error() -> Json:
    return record(error={**TEXT, "description": "what was found, where, what was expected, and what helps"})


def _paths(path: str, said: Says, routes: Routes, there: list[Served]) -> Iterator[tuple[str, Served | None]]:
    """Yield the paths under which a route stands in the document, with the version that each is of.

    What differs from model to model is spelled out for each, since one path has one body.
    """
    path = PARAMETER.sub(r"{\1}", path)
    if not said.depends:
        yield path, None
    elif "{name}" not in path:
        first = routes.plan(routes.first).champion.version
        yield path, next(one for one in there if (one.ref.name, one.ref.version) == (routes.first, first))
    else:
        for served in there:
            champion = routes.plan(served.ref.name).champion.version
            if "{version}" in path or served.ref.version == champion:
                yield path.replace("{name}", served.ref.name).replace("{version}", served.ref.version), served


def _operation(path: str, method: str, said: Says, routes: Routes, served: Served | None, guarded: bool) -> Json:
    names = PARAMETER.findall(path)
    errors = said.errors | ALWAYS | ({404} if served is not None or names else set())
    answers = {str(status): _failure(status) for status in sorted(errors)}
    if said.answer is not None:
        content = _content(said.answer, served)
        headers = _headers(200) | (degraded.HEADERS if said.scope == "predict" else {})
        answers = {"200": {"description": "OK", "headers": headers, "content": content}, **answers}
    operation: Json = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "summary": said.summary,
        "parameters": [
            *_path_parameters(names, routes),
            *_optional(said.headers, "header", served),
            *_optional(said.query, "query", served),
        ],
        "responses": answers,
    }
    if said.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(said.body, served)}
    if guarded and said.scope != "public":
        operation["security"] = [{"token": [said.scope]}]
    return operation


def _path_parameters(names: Iterable[str], routes: Routes) -> Iterator[Json]:
    known = {
        "name": [plan.name for plan in routes],
        "version": sorted({ref.version for plan in routes for ref in plan.answering}),
    }
    for name in names:
        schema = {"type": "string", **({"enum": known[name]} if name in known else {})}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _optional(named: Mapping[str, Schema], where: str, served: Served | None) -> Iterator[Json]:
    for name, schema in named.items():
        yield {"name": name, "in": where, "required": False, "schema": _resolved(schema, served)}


def _content(content: Content, served: Served | None) -> Json:
    return {media: {"schema": _resolved(schema, served)} for media, schema in content.items()}


def _resolved(schema: Schema, served: Served | None) -> Json:
    if callable(schema):
        assert served is not None
        schema = schema(served)
    return dict(schema)


def _headers(status: int) -> Json:
    found: dict[str, Any] = {
        VERSION_HEADER: {"schema": TEXT, "required": True, "description": "who answered"},
        request_ids.HEADER: {"schema": TEXT, "required": True, "description": "the request's id, as it is in the log"},
    }
    if status in UNDER_LOAD:
        found["Retry-After"] = {"schema": WHOLE, "description": "seconds to wait"}
    return found


def _failure(status: int) -> Json:
    return {"description": phrase(status), "headers": _headers(status), "content": _content(JSON(ERROR), None)}
