"""Every error of the server is JSON, `{"error": "…"}`, whatever went wrong and wherever: that is what clients parse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from assay.errors import DataFault
from assay_serving import request_ids
from assay_serving.routing import NotServed

MAX_CHARACTERS = 8_000  # of an error text: a client may have sent a book where we tell what we found
log = logging.getLogger("assay_serving")


class RequestFault(Exception):
    """A request that cannot be answered; the status and the text are for the client."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.error = error
        self.headers = dict(headers or {})
        super().__init__(error)


def bad_request(error: str) -> RequestFault:
    """Return the fault of a request that is not what the protocol says."""
    return RequestFault(HTTPStatus.BAD_REQUEST, error)


def error_response(status: int, error: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the one form of all errors."""
    told = error if len(error) <= MAX_CHARACTERS else error[: MAX_CHARACTERS - 1] + "…"
    return JSONResponse({"error": told}, status, headers)


def id_of(request: Request) -> str:
    """Return the id that the gate gave a request."""
    return str(getattr(request.state, "request_id", ""))


def install(app: FastAPI, headers: Callable[[], Mapping[str, str]]) -> None:
    """Answer every exception of `app` in our form; `headers()` go with the answers to unforeseen ones."""

    @app.exception_handler(RequestFault)
    async def on_request_fault(request: Request, fault: RequestFault) -> JSONResponse:
        ours = f" (request {id_of(request)})" if fault.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
        return error_response(fault.status, fault.error + ours, fault.headers)

    @app.exception_handler(NotServed)
    async def on_unknown_model(_: Request, error: NotServed) -> JSONResponse:
        return error_response(HTTPStatus.NOT_FOUND, str(error))

    @app.exception_handler(DataFault)
    async def on_data_fault(_: Request, fault: DataFault) -> JSONResponse:
        return error_response(HTTPStatus.BAD_REQUEST, str(fault))

    @app.exception_handler(RequestValidationError)
    async def on_validation(_: Request, error: RequestValidationError) -> JSONResponse:
        found = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
        return error_response(HTTPStatus.BAD_REQUEST, found)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        place = f"{request.method} {request.url.path}"
        if error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return error_response(error.status_code, f"{place}: {error.detail}", error.headers)
        allowed = ", ".join(_methods_of(app, request))
        return error_response(error.status_code, f"{place}: {error.detail}, allowed: {allowed}", {"Allow": allowed})

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        # The text of an unforeseen exception may hold rows, paths or secrets: it goes to the log, not to the client.
        request_id = id_of(request)
        log.error("%s %r failed, request %s", request.method, request.url.path, request_id, exc_info=error)
        text = f"internal error; the server's log has the details (request {request_id})"
        # This handler stands outside of the gate, which marks all other answers.
        return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, text, {**headers(), request_ids.HEADER: request_id})


def _methods_of(app: FastAPI, request: Request) -> list[str]:
    """Return what a path can be asked with, by all of its routes: the framework tells of the first alone."""
    found: set[str] = set()
    for route in app.routes:
        match, told = route.matches(request.scope)
        named = "".join(map(str, told.get("path_params", {}).values()))
        if match is not Match.NONE and ":" not in named:  # which no name has: `m:predict` is no model
            found |= getattr(route, "methods", None) or set()
    return sorted(found)
