"""Errors of the routes under ``/v1``, in the form that OpenAI's clients read."""

import re
from http import HTTPStatus
from typing import Any, Final

PREFIX: Final = "/v1/"
"""Paths whose errors have this form."""

INVALID_REQUEST: Final = "invalid_request_error"
RATE_LIMIT: Final = "rate_limit_error"
SERVER: Final = "server_error"

TYPES: Final = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: RATE_LIMIT,
}
"""Types of errors that have one of their own."""

_PARAMETER: Final = re.compile(r"([a-z_][a-z0-9_.]*): ")
"""Beginning of a message on one field of a request."""

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def openai_error(status: int, name: str, message: str) -> dict[str, Any]:
    """The body for an exception of this ``name``: ``{"error": {"message", "type", "param", "code"}}``."""
    field = _PARAMETER.match(message)
    return {
        "error": {
            "message": message,
            "type": _type_of(status),
            "param": field[1] if field and status < HTTPStatus.INTERNAL_SERVER_ERROR else None,
            "code": error_code(name),
        }
    }


def error_code(name: str) -> str:
    """Spell the name of an exception as a code: ``NotFoundException`` is ``not_found``."""
    return _WORD.sub("_", name.removesuffix("Exception")).lower()


def _type_of(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SERVER
    return TYPES.get(HTTPStatus(status), INVALID_REQUEST)
