"""Uvicorn's HTTP protocol with what it leaves open: times, a bound on connections, errors in the one shape.

Uvicorn gives a head that never ends, or an answer that nobody reads, all the time in the world.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from lumen.errors import InvalidInputException, LumenException, TooSlowException
from lumen.settings import Settings
from orchestrator.core.clients import client_name
from orchestrator.core.connections import Connections
from orchestrator.core.exceptions import error_body
from orchestrator.request_context import new_request_id, share_of

MALFORMED: Final = "The request is not HTTP/1.1 as it should be; send one that an HTTP library makes."

LENGTHS: Final = {b"content-length", b"transfer-encoding"}
"""Headers of which a request has one at most."""


@dataclass(frozen=True)
class ConnectionLimits:
    """Args: seconds for a request's head, seconds in which some of an answer must be read, the places."""

    head_seconds: float
    unread_seconds: float
    connections: Connections


def connection_limits(settings: Settings) -> ConnectionLimits:
    total = settings.max_connections
    places = Connections(total, share_of(total, settings.client_share))
    return ConnectionLimits(settings.head_timeout, settings.unread_timeout, places)


def http_protocol(limits: ConnectionLimits) -> type[H11Protocol]:
    """The protocol class for ``uvicorn.Config(http=...)``; all its connections share ``limits``."""

    class BoundedProtocol(_BoundedProtocol):
        _limits = limits

    return BoundedProtocol


class _Timer:
    """Calls ``ring`` once after ``seconds``, unless it is stopped before; started again it goes on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, self._ring)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _OneLengthConnection(h11.Connection):
    """Takes no request whose body has two lengths.

    h11 reads it in chunks and goes on; a proxy before it may have taken the other length, and what comes
    behind it for a part of the body (RFC 9112, 6.3).
    """

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request) and {name for name, _ in event.headers} >= LENGTHS:
            raise h11.RemoteProtocolError("Both Content-Length and Transfer-Encoding came")
        return event


class _BoundedProtocol(H11Protocol):
    _limits: ConnectionLimits

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = _OneLengthConnection(h11.SERVER)
        self.client_name = ""
        self._upgraded = False
        self._head = _Timer(self.loop, self._limits.head_seconds, self._head_is_late)
        self._unread = _Timer(self.loop, self._limits.unread_seconds, self._not_read)

    @property
    def idle(self) -> bool:
        return not self._upgraded and self.conn.their_state is h11.IDLE

    @property
    def closed(self) -> bool:
        """Also of a connection that a WebSocket's protocol has taken over."""
        found = self.transport.get_extra_info("socket")
        return found is None or found.fileno() == -1

    def give_way(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Whatever the kernel does not take at once counts as unread.
        transport.set_write_buffer_limits(high=0)
        self.client_name = client_name(self.client[0] if self.client else "")
        if self._limits.connections.admit(self):
            self._watch_head()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._limits.connections.remove(self)
        self._head.stop()
        self._unread.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.start()

    def resume_writing(self) -> None:
        self._unread.stop()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """The answer to what is no HTTP; ``msg`` is Uvicorn's."""
        self._refuse(InvalidInputException(MALFORMED))

    def _watch_head(self) -> None:
        """Begin to wait for the rest of a head, or end it: the head is there."""
        if self.idle:
            self._head.start()
        else:
            self._head.stop()

    def _head_is_late(self) -> None:
        if self.idle and not self.transport.is_closing():
            self.logger.warning("No whole request head from %s in time", self.client_name)
            seconds = f"{self._limits.head_seconds:g} s"
            self._refuse(
                TooSlowException(f"The request's head was not there after {seconds}; send it at once.")
            )

    def _not_read(self) -> None:
        self.logger.warning("%s reads no answer; its connection is closed", self.client_name)
        self.transport.abort()

    def _refuse(self, error: LumenException) -> None:
        """Answer where nothing was answered yet, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in _response(error):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def _response(error: LumenException) -> list[h11.Event]:
    request_id = new_request_id()
    body = json.dumps(error_body(type(error).__name__, error.message, request_id)).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-request-id": request_id,
        "connection": "close",
    }
    reason = HTTPStatus(error.status).phrase
    start = h11.Response(status_code=error.status, headers=list(headers.items()), reason=reason)
    return [start, h11.Data(data=body), h11.EndOfMessage()]
