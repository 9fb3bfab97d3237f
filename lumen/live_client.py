"""A client of the live conversation (docs/live.md), as the command line uses it."""

import json
import struct
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from lumen.errors import ServiceUnavailableException

PATH: Final = "/v1/realtime"

BINARY: Final = Subprotocol("lumen.binary.v1")
"""Media goes as bytes behind the JSON instead of in base64 in it."""

HEADER: Final = struct.Struct(">I")
"""Length of the JSON of a binary message."""

MAX_MESSAGE: Final = 2**24

OPEN_SECONDS: Final = 10.0

Event = dict[str, Any]


class LiveClient:
    """Client of one conversation; an async context manager.

    Args:
        url: of the API, such as ``http://127.0.0.1:8000``.
    """

    def __init__(self, url: str) -> None:
        self._url = url.replace("http", "ws", 1).rstrip("/") + PATH

    async def __aenter__(self) -> "LiveClient":
        """Raises:
        ServiceUnavailableException: nothing answers there.
        """
        try:
            opening = connect(
                self._url, subprotocols=[BINARY], max_size=MAX_MESSAGE, open_timeout=OPEN_SECONDS, proxy=None
            )
            self._socket: ClientConnection = await opening
        except (OSError, WebSocketException) as error:
            raise ServiceUnavailableException(
                f"{self._url} does not answer ({error}); start `lumen serve`, or give --url."
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()

    async def events(self) -> AsyncIterator[Event]:
        """Yield the server's events until the conversation ends; media is bytes under ``delta``."""
        try:
            async for message in self._socket:
                yield event_of(message)
        except ConnectionClosed:
            return

    @property
    def end(self) -> str:
        """Reason for which the server ended the conversation; "" where it gave none."""
        return self._socket.close_reason or ""

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def say(self, text: str) -> None:
        """Have a message answered; an answer that goes on is cut off."""
        content = [{"type": "input_text", "text": text}]
        await self.send("output_audio_buffer.clear")
        await self.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": content}
        )
        await self.send("response.create", response={"cancel_previous": True})

    async def hear(self, pcm: bytes, kind: str = "input_audio_buffer.append") -> None:
        """Send a piece of sound, below 1 MiB: PCM16, mono, 24 kHz.

        Args:
            kind: of the event; by default it is the user's sound.
        """
        header = json.dumps({"type": kind}).encode()
        await self._socket.send(HEADER.pack(len(header)) + header + pcm)


def event_of(message: str | bytes) -> Event:
    """Read an event of the server; media that came as bytes is under ``delta``."""
    if isinstance(message, str):
        event: Event = json.loads(message)
        return event
    (length,) = HEADER.unpack_from(message)
    end = HEADER.size + length
    return {**json.loads(message[HEADER.size : end]), "delta": message[end:]}
