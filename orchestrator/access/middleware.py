"""The middleware that decides on every request and WebSocket by its head, before anything is done for it."""

import json
import logging
from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from lumen.errors import LumenException, NotFoundException, RateLimitException, UnauthorizedException
from orchestrator.access.access import Access
from orchestrator.access.caller import Caller
from orchestrator.access.credentials import SUBPROTOCOL
from orchestrator.core.clients import client_of
from orchestrator.core.rate_limit import RateLimiter
from orchestrator.live import server_events
from orchestrator.live.server_events import INVALID_REQUEST, EventIds
from orchestrator.live.transport import POLICY

log = logging.getLogger("lumen")

CODES: Final[dict[type[LumenException], str]] = {
    UnauthorizedException: "invalid_api_key",
    NotFoundException: "not_found",
    RateLimitException: "rate_limit_exceeded",
}
"""Codes of refusals, in the event and as the close reason."""

SESSION: Final = "lumen.session"
"""Name in a WebSocket's scope of the configuration that its token carries."""


class AccessMiddleware:
    """Lets requests through as who they are, and refuses the others.

    Wrong keys count in the rate limit of their address.
    """

    def __init__(self, app: ASGIApp, access: Access, limiter: RateLimiter) -> None:
        self._app = app
        self._access = access
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._admitted(scope)
        except LumenException as error:
            if scope["type"] == "http":
                raise
            await _refuse_socket(error, scope.get("subprotocols", []), receive, send)
            return
        if caller.session is not None:
            scope = {**scope, SESSION: caller.session}
        with caller.asking():
            await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Caller:
        try:
            return await self._access.admit(scope)
        except UnauthorizedException:
            await self._limiter.hit(f"refused {client_of(scope)}")
            raise


async def _refuse_socket(error: LumenException, offered: Sequence[str], receive: Receive, send: Send) -> None:
    """Accept a WebSocket and close it with a reason: a browser's script sees no other refusal.

    Args:
        offered: subprotocols, of which browsers want one to be taken.
    """
    log.warning("%s (%d): %s", type(error).__name__, error.status, error.message)
    if (await receive())["type"] != "websocket.connect":
        return
    code = CODES.get(type(error), "forbidden")
    event = EventIds().stamp(server_events.error(INVALID_REQUEST, code, error.message))
    taken = next((protocol for protocol in offered if not protocol.startswith(SUBPROTOCOL)), None)
    await send({"type": "websocket.accept", "subprotocol": taken})
    await send({"type": "websocket.send", "text": json.dumps(event)})
    await send({"type": "websocket.close", "code": POLICY, "reason": code})
