"""The socket: messages in, events out through an outbox of bounded size, and how a conversation ends."""

import asyncio
import base64
import json
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from lumen.aio import with_timeout
from orchestrator.live.client_events import HEADER, read_message
from orchestrator.live.dialects import Dialect
from orchestrator.live.server_events import EventIds

log = logging.getLogger("lumen")

BINARY_PROTOCOL: Final = "lumen.binary.v1"
"""Subprotocol with media as bytes behind the JSON instead of base64 in it."""

OUTBOX_BYTES: Final = 4 * 2**20
"""Media that waits to be sent: more than the pacer lets anyone be ahead."""

OUTBOX_EVENTS: Final = 1_000
"""Events that wait to be sent, from which on nothing of the client's is read."""

SEND_SECONDS: Final = 10.0
"""Seconds for which a client may take nothing."""

NORMAL: Final = 1000
POLICY: Final = 1008
INTERNAL: Final = 1011
RESTART: Final = 1012
TRY_LATER: Final = 1013
"""Close codes (RFC 6455, section 7.4, and its registry)."""


class Socket(Protocol):
    """A WebSocket that is accepted."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when the client has left."""
        ...

    async def send(self, message: str | bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True)
class _Waiting:
    """Item that waits to be sent: an event, its media, and the response that it belongs to."""

    event: Mapping[str, Any]
    media: bytes | None = None
    response_id: str | None = None


class Transport:
    """Sends a session's events in order, and reads the client's.

    Args:
        binary: whether media goes as bytes.
    """

    def __init__(self, socket: Socket, dialect: Dialect, *, binary: bool = False) -> None:
        self._socket = socket
        self._dialect = dialect
        self._binary = binary
        self._ids = EventIds()
        self._outbox: deque[_Waiting] = deque()
        self._media_bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._closing: tuple[int, str] | None = None

    @property
    def waiting_bytes(self) -> int:
        """Media that waits to be sent."""
        return self._media_bytes

    async def receive(self) -> dict[str, Any] | None:
        """The client's next event in OpenAI's names; None when it has left.

        Waits while much is to be sent: who reads slowly is not read faster.

        Raises:
            ClientEventError: the message is no event.
        """
        while len(self._outbox) >= OUTBOX_EVENTS and self._closing is None:
            self._emptied.clear()
            await self._emptied.wait()
        message = await self._socket.receive()
        return None if message is None else self._dialect.read(read_message(message))

    def send(self, event: Mapping[str, Any]) -> None:
        """Put an event behind those that wait."""
        self._put(_Waiting(event))

    async def send_media(self, event: Mapping[str, Any], media: bytes, response_id: str) -> None:
        """Put an event with ``media`` for its ``delta`` behind those that wait; waits for room itself."""
        while self._media_bytes and self._media_bytes + len(media) > OUTBOX_BYTES:
            self._emptied.clear()
            await self._emptied.wait()
        self._put(_Waiting(event, media, response_id))

    def drop(self, response_id: str) -> None:
        """Drop the media of a response that is not sent yet."""
        self._outbox = deque(waiting for waiting in self._outbox if waiting.response_id != response_id)
        self._media_bytes = sum(len(waiting.media or b"") for waiting in self._outbox)
        self._emptied.set()

    def close(self, code: int, reason: str) -> None:
        """End the conversation after what waits; the first reason counts."""
        if self._closing is None:
            self._closing = code, reason
        self._filled.set()
        self._emptied.set()

    async def run(self) -> None:
        """Send until the conversation is closed."""
        while True:
            while self._outbox:
                if not await self._send_first():
                    return
            if self._closing is not None:
                await self._close(*self._closing)
                return
            self._filled.clear()
            await self._filled.wait()

    def _put(self, waiting: _Waiting) -> None:
        if self._closing is None:
            self._outbox.append(waiting)
            self._media_bytes += len(waiting.media or b"")
            self._filled.set()

    async def _send_first(self) -> bool:
        """Send what has waited longest; whether the client took it."""
        waiting = self._outbox.popleft()
        self._media_bytes -= len(waiting.media or b"")
        self._emptied.set()
        event = self._dialect.write(dict(waiting.event))
        if event is None:
            return True
        try:
            await with_timeout(SEND_SECONDS, self._socket.send(self._message(event, waiting.media)))
        except TimeoutError:
            log.warning("The client takes nothing; its conversation is closed")
            await self._close(POLICY, "the client takes nothing")
            return False
        return True

    def _message(self, event: dict[str, Any], media: bytes | None) -> str | bytes:
        event = self._ids.stamp(event)
        if media is None:
            return _json(event)
        if self._binary:
            header = _json(event).encode()
            return HEADER.pack(len(header)) + header + media
        return _json({**event, "delta": base64.b64encode(media).decode()})

    async def _close(self, code: int, reason: str) -> None:
        try:
            await with_timeout(SEND_SECONDS, self._socket.close(code, reason))
        except TimeoutError:
            log.warning("The client does not answer the close")


def _json(event: Mapping[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
