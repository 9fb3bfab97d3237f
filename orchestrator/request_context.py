"""Identity of the request that is being served, and what every response says of it."""

import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="-")
"""Identifier of the request that is being served; - outside of one."""

NOBODY: Final = "-"
"""Client of what no request asks for."""

client: Final[ContextVar[str]] = ContextVar("client", default=NOBODY)
"""Name of the client that the request comes from."""

EVERYONE: Final = ""
"""Owner of what is made while no keys are asked for."""

owner: Final[ContextVar[str]] = ContextVar("owner", default=EVERYONE)
"""Id of the key that the request came with; what is made belongs to it, and it alone finds it again."""


def new_request_id() -> str:
    return str(uuid.uuid4())


def utc_timestamp() -> str:
    """Now, in ISO 8601 with the offset of UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def stamp() -> dict[str, str]:
    """Fields of every response: the request's id, and when it was made."""
    return {"request_id": request_id.get(), "timestamp": utc_timestamp()}


def share_of(total: int, share: float) -> int:
    """Share of ``total`` that one client may have: at least 1."""
    return max(1, int(total * share))
