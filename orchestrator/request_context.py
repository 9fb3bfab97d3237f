"""Identity of the request that is being served, and what every response says of it."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="-")
"""Identifier of the request that is being served; - outside of one."""

NOBODY: Final = "-"
"""Client of what no request asks for."""

client: Final[ContextVar[str]] = ContextVar("client", default=NOBODY)
"""Name of the client that the request comes from."""


def client_of_key(key_id: str) -> str:
    """Name of the client that has a key."""
    return f"key {key_id}"


EVERYONE: Final = ""
"""Owner of what is made while no keys are asked for."""

owner: Final[ContextVar[str]] = ContextVar("owner", default=EVERYONE)
"""Id of the key that the request came with; what is made belongs to it, and it alone finds it again."""

ADMIN: Final = "admin"
"""Scope of a key that sees and changes what belongs to others."""

scopes: Final[ContextVar[frozenset[str] | None]] = ContextVar("scopes", default=None)
"""Scopes of the request's key; None outside of a request."""

rate: Final[ContextVar[str | None]] = ContextVar("rate", default=None)
"""Limit of requests of the request's key, in the notation of `limits`; None for that of all."""

at_once: Final[ContextVar[int | None]] = ContextVar("at_once", default=None)
"""Clips, and conversations, that the request's key may have at once; None for everybody's share."""

response_headers: Final[ContextVar[dict[str, str]]] = ContextVar("response_headers")
"""Headers that the response to this request gets, whatever it will be."""


def sees_all() -> bool:
    """Whether the request may see and change what belongs to others; so may what no request asks for."""
    held = scopes.get()
    return owner.get() == EVERYONE if held is None else ADMIN in held


def may_see(belongs_to: str) -> bool:
    """Whether the request may know of something that belongs to ``belongs_to``."""
    return belongs_to in (EVERYONE, owner.get()) or sees_all()


def may_change(belongs_to: str) -> bool:
    """Whether the request may change or remove it: what belongs to everyone is for admins to change."""
    return sees_all() or (belongs_to == owner.get() != EVERYONE)


route: Final[ContextVar[str]] = ContextVar("route", default="")
"""Method and path of the request that is being served; "" outside of one."""

job: Final[ContextVar[str]] = ContextVar("job", default="")
"""Id of the job that is being done; "" outside of one."""

_output_name: Final[ContextVar[str]] = ContextVar("output_name", default="")

SAFE_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
"""Form of an identifier that a client may choose for its request."""


def new_request_id() -> str:
    return str(uuid.uuid4())


def output_name() -> str:
    """Name of the files that the request at hand makes: its id, unless its client chose that.

    A client may send an id twice, and what it made first stays.
    """
    return _output_name.get() or request_id.get()


@contextmanager
def identified(wanted: str | None = None) -> Iterator[None]:
    """Serve a request in the block under a new id, or that which its client wants if it has a safe form."""
    own = new_request_id()
    chosen = wanted is not None and SAFE_ID.fullmatch(wanted) is not None
    tokens = request_id.set(wanted if chosen and wanted else own), _output_name.set(own)
    try:
        yield
    finally:
        request_id.reset(tokens[0])
        _output_name.reset(tokens[1])


def utc_timestamp(seconds: float | None = None) -> str:
    """A time since 1970, or now, in ISO 8601 with the offset of UTC."""
    when = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return when.isoformat(timespec="milliseconds")


def stamp() -> dict[str, str]:
    """Fields of every response: the request's id, and when it was made."""
    return {"request_id": request_id.get(), "timestamp": utc_timestamp()}


def share_of(total: int, share: float) -> int:
    """Share of ``total`` that one client may have: at least 1."""
    return max(1, int(total * share))
