"""A delivery: an event on its way to an endpoint, and every try so far."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel

from lumen.errors import TooLargeException
from orchestrator.request_context import utc_timestamp

MAX_BODY_BYTES: Final = 20_000
"""Size of an event's body."""

TEST_EVENT: Final = "webhook.test"

State = Literal["pending", "delivered", "failed"]


class Attempt(BaseModel):
    """A try.

    Attributes:
        at: seconds since 1970. seconds: that it took.
        status: of the answer; None where there was none. error: why it was no success.
        retry_after: seconds that the endpoint asks to be left alone.
    """

    at: float
    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None


class Delivery(BaseModel):
    """An event for one endpoint.

    Attributes:
        id: of the event, the same for every try.
        owner: whose event it is.
        body: as it is signed and sent.
        created: seconds since 1970. next_try: likewise, while it is pending.
    """

    id: str
    url: str
    type: str
    owner: str
    body: str
    created: float
    next_try: float
    state: State = "pending"
    attempts: list[Attempt] = []

    @property
    def data(self) -> Mapping[str, Any]:
        """Body of the event."""
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


def new_delivery(
    url: str, kind: str, data: Mapping[str, Any], owner: str, now: float, happened: float | None = None
) -> Delivery:
    """A delivery that is due.

    Events of one type about one object, which ``data`` names by its ``id``, are the same event.

    Args:
        happened: when what it tells of did, in seconds since 1970; now without one.

    Raises:
        TooLargeException: the body would have more than ``MAX_BODY_BYTES``.
    """
    event = {"type": kind, "timestamp": utc_timestamp(happened), "data": dict(data)}
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    if (size := len(body.encode())) > MAX_BODY_BYTES:
        raise TooLargeException(f"A webhook's body has {size} bytes; at most {MAX_BODY_BYTES} are sent.")
    subject = str(data.get("id") or uuid.uuid4())
    name = hashlib.sha256("\0".join((url, kind, owner, subject)).encode()).hexdigest()[:32]
    return Delivery(id=f"msg_{name}", url=url, type=kind, owner=owner, body=body, created=now, next_try=now)
