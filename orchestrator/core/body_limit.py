"""Bodies of requests: bounds on each, on a client's, on all that are held at once, and on their time."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumen.aio import with_timeout
from lumen.errors import (
    BusyException,
    InvalidInputException,
    ServiceUnavailableException,
    TooLargeException,
    TooSlowException,
)
from lumen.settings import Settings
from orchestrator.core.clients import client_of
from orchestrator.messages import excerpt
from orchestrator.request_context import share_of

FORM_TYPE: Final = "multipart/form-data"

BODY_SECONDS: Final = 120.0
"""Seconds that a request's body may take to arrive: the largest one comes in time at 2 Mbit/s."""


@dataclass(frozen=True)
class BodyLimits:
    """Bytes of a form, of any other body, of all bodies at once, of a client's; seconds for one."""

    form_bytes: int
    json_bytes: int
    total_bytes: int
    client_bytes: int
    seconds: float = BODY_SECONDS


def body_limits(settings: Settings) -> BodyLimits:
    largest, total = settings.max_body_bytes, settings.max_bodies_bytes
    share = max(largest, share_of(total, settings.client_share))
    return BodyLimits(largest, min(largest, settings.max_json_bytes), total, share)


class BodyLimitMiddleware:
    """Refuses a body over its limit, by its Content-Length or while it streams in, and a slow one.

    Bytes count until their request is answered: of all clients those that arrived, of one also those that it
    has announced, so that what cannot be taken is not read first.
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits
        self._held = 0
        self._announced_by: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most(scope)
        counted = _content_length(scope)
        _check_size(counted, most)
        client, received, complete = client_of(scope), 0, False
        deadline = asyncio.get_running_loop().time() + self._limits.seconds

        async def counted_receive() -> Message:
            nonlocal received, counted, complete
            message = await (receive() if complete else self._by(deadline, receive))
            complete = not message.get("more_body", False)
            size = len(message.get("body", b""))
            _check_size(received + size, most)
            self._hold(size)
            received += size
            self._announce(client, max(0, received - counted))
            counted = max(received, counted)
            return message

        self._announce(client, counted)
        try:
            await self._app(scope, counted_receive, send)
        finally:
            self._held -= received
            self._forget(client, counted)

    def _most(self, scope: Scope) -> int:
        kind = Headers(scope=scope).get("content-type", "").strip().lower()
        return self._limits.form_bytes if kind.startswith(FORM_TYPE) else self._limits.json_bytes

    def _hold(self, n_bytes: int) -> None:
        if n_bytes and self._held + n_bytes > self._limits.total_bytes:
            raise ServiceUnavailableException("Too much is being uploaded at once; try again in a moment.")
        self._held += n_bytes

    def _announce(self, client: str, n_bytes: int) -> None:
        if n_bytes and self._announced_by[client] + n_bytes > self._limits.client_bytes:
            raise BusyException("You are uploading too much at once; wait until other requests are answered.")
        self._announced_by[client] += n_bytes

    def _forget(self, client: str, n_bytes: int) -> None:
        self._announced_by[client] -= n_bytes
        if not self._announced_by[client]:
            del self._announced_by[client]

    async def _by(self, deadline: float, receive: Receive) -> Message:
        try:
            return await with_timeout(deadline - asyncio.get_running_loop().time(), receive())
        except TimeoutError:
            seconds = f"{self._limits.seconds:g} s"
            raise TooSlowException(
                f"The body was not there after {seconds}; send less, or over a faster line."
            ) from None


def _check_size(n_bytes: int, most: int) -> None:
    if n_bytes > most:
        raise TooLargeException(f"The body has over {most} bytes; send at most that much.")


def _content_length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    if not (text.isascii() and text.isdecimal()):
        raise InvalidInputException(f"Content-Length is {excerpt(text)!r}; expected a number.")
    return int(text)
