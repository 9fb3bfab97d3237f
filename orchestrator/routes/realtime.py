"""``GET /v1/realtime``: the live conversation (docs/live.md), also under Voice Live's address and names."""

import json
import logging
from typing import Annotated, Final

from fastapi import APIRouter, Depends, WebSocket
from starlette.responses import FileResponse, Response
from starlette.websockets import WebSocketDisconnect, WebSocketState

from orchestrator.access.middleware import SESSION
from orchestrator.core.clients import client_of
from orchestrator.live.dialects import Dialect, OpenAI, VoiceLive
from orchestrator.live.transport import BINARY_PROTOCOL
from orchestrator.request_context import identified
from orchestrator.services import Services, services, socket_services

log = logging.getLogger("lumen")

router = APIRouter(tags=["live"])

Use = Annotated[Services, Depends(services)]
UseSocket = Annotated[Services, Depends(socket_services)]

PROTOCOLS: Final = (BINARY_PROTOCOL, "realtime")
"""Subprotocols that are spoken; OpenAI's clients in browsers offer the second one."""

IDLE_HEADERS: Final = {"Cache-Control": "private, max-age=86400, immutable"}
"""The address has the hash of what the clip is made of; after a day it is asked for again: avatars may go."""


class StarletteSocket:
    """A WebSocket of Starlette's as `orchestrator.live.transport.Socket`.

    Args:
        first: an event that comes before the client's own.
    """

    def __init__(self, socket: WebSocket, first: str | None = None) -> None:
        self._socket = socket
        self._first = first

    async def receive(self) -> str | bytes | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text, data = message.get("text"), message.get("bytes")
        return text if text is not None else data or b""

    async def send(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                await self._socket.send_text(message)
            else:
                await self._socket.send_bytes(message)
        except (WebSocketDisconnect, RuntimeError):
            log.debug("The client has left; an event is not sent")

    async def close(self, code: int, reason: str) -> None:
        if self._socket.application_state != WebSocketState.DISCONNECTED:
            try:
                await self._socket.close(code, reason)
            except (WebSocketDisconnect, RuntimeError):
                log.debug("The client has left before it was told")


@router.websocket("/v1/realtime")
async def converse(socket: WebSocket, use: UseSocket) -> None:
    """A live conversation in OpenAI's names."""
    await _serve(socket, OpenAI(), use)


@router.websocket("/voice-live/realtime")
async def converse_voice_live(socket: WebSocket, use: UseSocket) -> None:
    """A live conversation in Voice Live's names."""
    await _serve(socket, VoiceLive(), use)


@router.get(
    "/v1/realtime/idle/{name}.mp4",
    response_class=FileResponse,
    include_in_schema=False,  # nobody makes its address up
)
async def read_idle_clip(name: str, use: Use) -> Response:
    """The silent clip that loops while nobody speaks; `session.created` tells its address."""
    path = await use.live.idle.file(name)
    return FileResponse(path, media_type="video/mp4", headers=IDLE_HEADERS)


async def _serve(socket: WebSocket, dialect: Dialect, use: Services) -> None:
    with identified(socket.headers.get("x-request-id")), use.tracing.entered(socket.headers):
        offered = socket.scope.get("subprotocols", [])
        protocol = next((known for known in PROTOCOLS if known in offered), None)
        await socket.accept(subprotocol=protocol)
        configured = socket.scope.get(SESSION)
        first = None if configured is None else json.dumps({"type": "session.update", "session": configured})
        binary, address = protocol == BINARY_PROTOCOL, client_of(socket.scope)
        await use.live.serve(StarletteSocket(socket, first), dialect, binary=binary, address=address)
