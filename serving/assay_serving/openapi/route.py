"""How a route says what it takes and answers, in one line where it is made, without a second reading of any request.

    @app.get("/ping", **says("Whether the server runs.", JSON(record(live=FLAG))))
    @app.post("/v1/models/{name}:predict", **says("Predictions.", JSON(answer), body=JSON(request), scope="predict"))

A schema is JSON Schema, or a function of a loaded version that returns it: then the route is written once for each
version that answers. What all routes share is added by `document`: headers, the security, and the errors of `ALWAYS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from starlette.routing import BaseRoute

from assay.vocabulary import OnError
from assay_serving.served import Served

Json = dict[str, Any]
Schema = Mapping[str, Any] | Callable[[Served], Mapping[str, Any]]
Content = Mapping[str, Schema]  # by media type
Scope = Literal["predict", "read", "admin", "public"]

TEXT, NUMBER, WHOLE, FLAG = ({"type": kind} for kind in ("string", "number", "integer", "boolean"))
ANYTHING: Json = {}
BYTES: Json = {}  # raw bytes have no JSON Schema

ALWAYS = frozenset({401, 403, 421, 500, 503})  # the door, a bug, and Serve's proxy when a process dies or is full
WITH_BODY = frozenset({400, 413, 415})
PREDICTING = frozenset({504})
KEY = "x-assay-says"


@dataclass(frozen=True)
class Says:
    """What a route says of itself; see `says`."""

    summary: str
    answer: Content | None
    body: Content | None
    headers: Mapping[str, Schema]
    errors: frozenset[int]
    scope: Scope
    query: Mapping[str, Schema]

    @property
    def depends(self) -> bool:
        """Whether it differs from model to model."""
        schemas = [*(self.body or {}).values(), *(self.answer or {}).values(), *self.headers.values()]
        return any(callable(schema) for schema in schemas)


def says(
    summary: str,
    answer: Content | None,
    *,
    body: Content | None = None,
    headers: Mapping[str, Schema] | None = None,
    errors: Collection[int] = (),
    scope: Scope = "read",
    query: Mapping[str, Schema] | None = None,
) -> dict[str, Any]:
    """Return the options of a route that describe it.

    `answer` and `body` are schemas by media type, `JSON(schema)` for the usual one; an `answer` None is never given.
    `headers` and parameters of the `query` are those that a client may send. `errors` are statuses beyond `ALWAYS`,
    beyond 404 of a path with parameters and `WITH_BODY` of a body; give `PREDICTING` where a model is asked. `scope`
    is what a token must allow;
    `public` routes ask for none: they say nothing but that the server is alive, or are the page, which holds no data.
    """
    implied = WITH_BODY if body is not None else frozenset[int]()
    said = Says(summary, answer, body, headers or {}, frozenset(map(int, errors)) | implied, scope, query or {})
    return {"openapi_extra": {KEY: said}}


def said_of(route: BaseRoute) -> Says | None:
    """Return what a route says of itself; None when it says nothing."""
    found: Says | None = (getattr(route, "openapi_extra", None) or {}).get(KEY)
    return found


def JSON(schema: Schema) -> Content:
    """Return content that is JSON."""
    return {"application/json": schema}


def record(optional: Mapping[str, Any] | None = None, /, **fields: Mapping[str, Any]) -> Json:
    """Return the schema of an object with these fields, all required but those in `optional`."""
    return {"type": "object", "properties": {**fields, **(optional or {})}, "required": list(fields)}


def listing(item: Mapping[str, Any]) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def one_of(values: Collection[Any]) -> Json:
    """Return the schema of one of these values."""
    return {"enum": list(values)}


def maybe(schema: Mapping[str, Any]) -> Json:
    """Return the schema of something that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def phrase(status: int) -> str:
    """Return what a status means, in a word."""
    return HTTPStatus(status).phrase


BAD_ROWS: Mapping[str, Schema] = {
    "on_error": {
        **one_of(list(OnError)),
        "description": "rows that cannot be read fail the request, are left out, or have null; told in `errors`",
    }
}
ERRORS = listing(record(row={"type": "integer", "minimum": 0}, error=TEXT))  # of rows that could not be read
