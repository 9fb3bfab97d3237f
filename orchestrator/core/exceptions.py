"""Every error leaves as ``{"error", "message", "request_id"}``; the tree is `lumen.errors`."""

import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

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
    UnsupportedMediaException,
)
from orchestrator.messages import excerpt
from orchestrator.request_context import request_id

__all__ = [
    "GenerationException",
    "InvalidInputException",
    "LumenException",
    "ModelLoadException",
    "add_handlers",
    "error_response",
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

REPORTED_ERRORS: Final = 5
"""Fields that one message about an invalid body names."""


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(LumenException, _on_lumen)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)


def error_response(error: LumenException) -> JSONResponse:
    """The response to ``error``, which is logged here."""
    name = type(error).__name__
    log.log(_level(error.status), "%s (%d): %s", name, error.status, excerpt_lines(error.message))
    return _body(error.status, name, error.message, _retry_after(error))


def unhandled(error: Exception) -> JSONResponse:
    """The response to a bug: the log gets everything, the caller nothing of it."""
    log.error("Unhandled %s", type(error).__name__, exc_info=error)
    message = "Something went wrong inside the server; its log says what, under this request_id."
    return _body(500, "InternalServerException", message)


def invalid(error: ValidationError | RequestValidationError) -> InvalidInputException:
    """What a body got wrong, field by field, without repeating what was sent."""
    errors = error.errors()
    lines = [_describe(item) for item in errors[:REPORTED_ERRORS]]
    more = len(errors) - REPORTED_ERRORS
    return InvalidInputException("; ".join(lines) + (f"; and {more} more" if more > 0 else ""))


def excerpt_lines(message: str) -> str:
    """``message`` on one line: a caller's text inside it cannot forge log lines."""
    return "".join(c if c.isprintable() else " " for c in message)


async def _on_lumen(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LumenException)
    return error_response(error)


async def _on_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return error_response(invalid(error))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {excerpt(request.url.path)}: {error.detail}"
    kind = HTTP_NAMES.get(error.status_code)
    name = (
        kind.__name__ if kind else HTTPStatus(error.status_code).phrase.title().replace(" ", "") + "Exception"
    )
    log.log(_level(error.status_code), "%s (%d): %s", name, error.status_code, message)
    return _body(error.status_code, name, message, dict(error.headers or {}))


def _describe(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"] if part != "body")
    what = item["msg"].removeprefix("Value error, ")
    return f"{excerpt(where)}: {what}" if where else what


def _retry_after(error: LumenException) -> dict[str, str]:
    """The header that says when to come back; none where it does not depend on time."""
    if isinstance(error, RateLimitException | BusyException | ServiceUnavailableException):
        return {"Retry-After": str(error.retry_after)}
    return {}


def _level(status: int) -> int:
    return logging.ERROR if status >= 500 else logging.WARNING


def _body(status: int, name: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    content = {"error": name, "message": message, "request_id": request_id.get()}
    return JSONResponse(content, status, headers)
