"""Small helpers of the API."""

import uuid
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Final

LOGGED_CHARACTERS: Final = 80
"""Characters of a caller's text that a log line shows."""

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="-")
"""Identifier of the request that is being served; - outside of one."""


def new_request_id() -> str:
    return str(uuid.uuid4())


def utc_timestamp() -> str:
    """Now, in ISO 8601 with the offset of UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def stamp() -> dict[str, str]:
    """What every response carries: the request's id, and when it was made."""
    return {"request_id": request_id.get(), "timestamp": utc_timestamp()}


def excerpt(text: str) -> str:
    """The beginning of a caller's text on one line, safe to log."""
    line = "".join(c if c.isprintable() else " " for c in text[: LOGGED_CHARACTERS + 1])
    return line if len(text) <= LOGGED_CHARACTERS else line[:LOGGED_CHARACTERS] + "..."
