"""A client of the live conversation that keeps every event that it gets."""

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from websockets.sync.client import ClientConnection, connect

from lumen.live_client import event_of

Event = dict[str, Any]

SECONDS = 20.0


class LiveClient:
    """Client of one conversation; ``events`` has all that came, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Event] = []

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def next(self, seconds: float = SECONDS) -> Event:
        """The next event, binary ones with their media as ``delta``."""
        event = event_of(self.socket.recv(timeout=seconds))
        self.events.append(event)
        return event

    def until(self, kind: str, seconds: float = SECONDS) -> Event:
        """Read up to the next event of a type."""
        while (event := self.next(seconds))["type"] != kind:
            assert event["type"] != "error", event
        return event

    def failure(self) -> Event:
        """Read up to the next error."""
        while (event := self.next())["type"] != "error":
            pass
        return dict(event["error"])

    def say(self, text: str) -> None:
        """Put a user's message behind the conversation."""
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})

    def ask(self, text: str) -> str:
        """Have a message answered; returns the response's id as soon as it is created."""
        self.say(text)
        self.send("response.create")
        return str(self.until("response.created")["response"]["id"])

    def kinds(self, response_id: str | None = None) -> list[str]:
        """Types of the events so far, of one response or of all."""
        return [event["type"] for event in self.events if response_id in (None, response_of(event))]

    def media(self, response_id: str, kind: str = "response.video.delta") -> bytes:
        """All media of a response."""
        found = [e for e in self.events if e["type"] == kind and e["response_id"] == response_id]
        return b"".join(as_bytes(event["delta"]) for event in found)


def as_bytes(delta: str | bytes) -> bytes:
    return delta if isinstance(delta, bytes) else base64.b64decode(delta)


def response_of(event: Event) -> str | None:
    """The response that an event belongs to."""
    return event.get("response_id") or event.get("response", {}).get("id") or event.get("turn_id")


def decoded(mp4: bytes) -> tuple[int, int]:
    """Frames and audio samples of an MP4."""
    with av.open(io.BytesIO(mp4)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(io.BytesIO(mp4)) as container:
        return frames, sum(frame.samples for frame in container.decode(audio=0))


def frames_of(mp4: bytes) -> list[NDArray[np.uint8]]:
    """Frames of an MP4, each uint8 [H, W, 3]."""
    with av.open(io.BytesIO(mp4)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@contextmanager
def talking(url: str, path: str = "/v1/realtime", **options: Any) -> Iterator[LiveClient]:
    """A conversation with the API at ``url``, whose ``session.created`` is read."""
    with connect(url.replace("http", "ws", 1) + path, max_size=2**24, **options) as socket:
        client = LiveClient(socket)
        assert client.next()["type"] == "session.created"
        yield client
