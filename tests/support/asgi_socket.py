"""A WebSocket that an app serves without a network, from any address."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.types import Message


def first_event(app: FastAPI, path: str, address: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The first event that ``app`` sends to a WebSocket, whose client leaves then."""
    return asyncio.run(_first_event(app, path, address, headers))


async def _first_event(app: FastAPI, path: str, address: str, headers: Mapping[str, str]) -> dict[str, Any]:
    events: asyncio.Queue[str] = asyncio.Queue()
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), *raw],
        "client": (address, 50_000),
        "server": ("localhost", 80),
        "subprotocols": [],
        "state": {},
    }

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            events.put_nowait(message["text"])

    incoming.put_nowait({"type": "websocket.connect"})
    serving = asyncio.create_task(app(scope, incoming.get, send))
    event: dict[str, Any] = json.loads(await asyncio.wait_for(events.get(), 10))
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(serving, 10)
    await app.state.services.models.close()
    return event
