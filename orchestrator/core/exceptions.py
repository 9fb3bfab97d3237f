"""Every error leaves as ``{"error", "message", "request_id"}``; the tree is `lumen.errors`.

Under ``/v1`` it has the form of `openai_errors` instead.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount

from lumen.errors import (
    BusyException,
    GenerationException,
    InvalidInputException,
    LumenException,
    ModelLoadException,
    NotFoundException,
    RateLimitException,
    ServiceUnavailableException,
    TooLargeException,
    UnauthorizedException,
    UnsupportedMediaException,
)
from orchestrator.core.openai_errors import PREFIX as OPENAI_PREFIX
from orchestrator.core.openai_errors import openai_error
from orchestrator.messages import excerpt
from orchestrator.request_context import request_id

__all__ = [
    "GenerationException",
    "InvalidInputException",
    "LumenException",
    "ModelLoadException",
    "add_handlers",
    "error_body",
    "error_response",
    "http_error",
    "invalid",
    "unhandled",
]

log = logging.getLogger("lumen")

HTTP_NAMES: Final[dict[int, type[LumenException]]] = {
    400: InvalidInputException,
    404: NotFoundException,
    413: TooLargeException,
    415: UnsupportedMediaException,
}
"""Exceptions whose names stand for what the framework itself refuses."""

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Methods that a route may answer; HEAD is answered where GET is."""

OTHER_NAMES: Final = {405: "MethodNotAllowedException", 416: "RangeNotSatisfiableException"}
"""Names of what the framework refuses and LUMEN never raises; in `ERROR_NAMES` of the schemas too."""

HEX_ESCAPE: Final = "hex escape"
"""Part of pydantic's message on JSON with half of a surrogate pair."""

REPORTED_ERRORS: Final = 5
"""Fields that one message about an invalid body names."""


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(LumenException, _on_lumen)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)


def error_body(name: str, message: str, request_id: str) -> dict[str, str]:
    """The JSON that every error has."""
    return {"error": name, "message": message, "request_id": request_id}


def error_response(error: LumenException, path: str) -> JSONResponse:
    """The response to ``error`` of a request for ``path``; the error is logged here."""
    name = type(error).__name__
    log.log(_level(error.status), "%s (%d): %s", name, error.status, error.message)
    return _body(path, error.status, name, error.message, _headers(error))


def unhandled(error: Exception, path: str) -> JSONResponse:
    """The response to a bug: the log gets everything, the caller nothing of it."""
    log.error("Unhandled %s", type(error).__name__, exc_info=error)
    message = "Something went wrong inside the server; its log says what, under this request_id."
    return _body(path, 500, "InternalServerException", message)


def invalid(error: ValidationError | RequestValidationError) -> InvalidInputException:
    """Make the error of a body that is not valid, field by field, without repeating what was sent."""
    errors = _errors(error)
    lines = [_describe(item) for item in errors[:REPORTED_ERRORS]]
    more = len(errors) - REPORTED_ERRORS
    return InvalidInputException("; ".join(lines) + (f"; and {more} more" if more > 0 else ""))


def _errors(error: ValidationError | RequestValidationError) -> Sequence[Any]:
    """List a validation's errors, without pydantic's copies of the inputs and its addresses."""
    if isinstance(error, ValidationError):
        return error.errors(include_url=False, include_context=False, include_input=False)
    return error.errors()


async def _on_lumen(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LumenException)
    return error_response(error, request.url.path)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return error_response(invalid(error), request.url.path)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (allowed := _allowed(request)):
        headers["Allow"] = allowed
    return http_error(error.status_code, request.method, request.url.path, headers, error.detail)


def http_error(
    status: int, method: str, path: str, headers: Mapping[str, str], detail: str | None = None
) -> JSONResponse:
    """The response to what the framework itself refuses; ``detail`` is its reason."""
    phrase = HTTPStatus(status).phrase
    kind = HTTP_NAMES.get(status, InvalidInputException)
    name = OTHER_NAMES.get(status, kind.__name__)
    message = f"{excerpt(method)} {excerpt(path)}: {detail or phrase}"
    log.log(_level(status), "%s (%d): %s", name, status, message)
    return _body(path, status, name, message, dict(headers))


def _allowed(request: Request) -> str:
    """List the methods of the path of ``request``, for ``Allow``; each of its routes knows its own alone."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]

    def answers(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    found = [method for method in METHODS if answers(method)]
    return ", ".join([*found, "HEAD"] if "GET" in found else found)


def _describe(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"] if part != "body")
    what = item["msg"].removeprefix("Value error, ")
    if item["type"] == "json_invalid" and HEX_ESCAPE in what:
        what += ": half of a character, as of an emoji that a text was cut inside; send whole characters"
    return f"{excerpt(where)}: {what}" if where else what


def _headers(error: LumenException) -> dict[str, str]:
    """Headers that say when to come back, where that depends on time, or how to show who one is."""
    if isinstance(error, UnauthorizedException):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RateLimitException | BusyException | ServiceUnavailableException):
        return {"Retry-After": str(error.retry_after)}
    return {}


def _level(status: int) -> int:
    return logging.ERROR if status >= 500 else logging.WARNING


def _body(
    path: str, status: int, name: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    if path.startswith(OPENAI_PREFIX):
        return JSONResponse(openai_error(status, name, message), status, headers)
    return JSONResponse(error_body(name, message, request_id.get()), status, headers)
