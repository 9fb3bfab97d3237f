"""All conversations of the server: how many there may be, and their end when it stops."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.portraits import Portraits
from orchestrator.live.dialects import Dialect
from orchestrator.live.idle import IdleClips
from orchestrator.live.meter import Meter, Unmetered
from orchestrator.live.scene import Characters
from orchestrator.live.server_events import SERVER_ERROR, error
from orchestrator.live.session import Session
from orchestrator.live.transport import RESTART, TRY_LATER, Socket, Transport
from orchestrator.marking.marking import Marking
from orchestrator.moderation.moderation import Moderation
from orchestrator.observability.metrics import Metrics
from orchestrator.request_context import NOBODY, at_once, client, share_of
from orchestrator.store.outputs import IDLE

log = logging.getLogger("lumen")

STOP_SECONDS: Final = 3.0
"""Seconds that the conversations may take to end when the server stops."""


class LiveSessions:
    """Serves conversations, at most ``MAX_LIVE_SESSIONS`` at once, of one client at most its share of them.

    Args:
        meter: counts what is made. sign: makes the address of an idle clip work for whoever gets it.
        marking, moderation: of the app; without them, new ones by the settings.
    """

    def __init__(
        self,
        settings: Settings,
        models: ModelManager,
        portraits: Portraits,
        metrics: Metrics,
        meter: Meter | None = None,
        sign: Callable[[str], str] = str,
        marking: Marking | None = None,
        moderation: Moderation | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._marking = marking or Marking(settings)
        self._moderation = moderation or Moderation(settings)
        self._models = models
        self._characters = Characters(settings, models, portraits)
        self._meter = meter or Unmetered()
        folder = Path(settings.outputs_path) / IDLE
        self.idle = IdleClips(self._characters, folder, self._marking, sign)
        self._sessions: set[Session] = set()
        self._held: Counter[str] = Counter()
        self._ended = asyncio.Event()
        self._stopping = False

    @property
    def count(self) -> int:
        """Conversations that go on now."""
        return len(self._sessions)

    async def serve(self, socket: Socket, dialect: Dialect, *, binary: bool, address: str = "") -> None:
        """Serve one conversation to its end, or refuse it with a reason.

        Args:
            address: of the client, where it comes without a key.
        """
        transport = Transport(socket, dialect, binary=binary)
        name = address if client.get() == NOBODY else client.get()
        if self._stopping or self.count >= self._settings.max_live_sessions:
            await self._refuse(transport, self._settings.max_live_sessions)
            return
        if self._held[name] >= self._share():
            await self._refuse(transport, self._share(), "of yours ")
            return
        session = Session(
            transport,
            dialect,
            self._settings,
            self._models,
            self._characters,
            self.idle,
            self._metrics,
            self._meter,
            self._marking,
            self._moderation,
        )
        self._sessions.add(session)
        # Its frames are wanted at their time: they wait for no slots, as the client's clips do.
        asking = client.set(NOBODY)
        self._held[name] += 1
        log.info("Conversation %s begins; there are %d", session.id, self.count)
        try:
            await session.run()
        finally:
            client.reset(asking)
            self._sessions.discard(session)
            self._held[name] -= 1
            self._held += Counter()  # without those that have none
            self._ended.set()
            log.info("Conversation %s ends; there are %d", session.id, self.count)

    def _share(self) -> int:
        """Conversations that whoever asks may have at once."""
        share = share_of(self._settings.max_live_sessions, self._settings.client_share)
        return at_once.get() or share

    async def stop(self) -> None:
        """End all conversations and say when to come back; new ones are refused."""
        self._stopping = True
        for session in list(self._sessions):
            session.restart()
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        while self._sessions and (left := deadline - asyncio.get_running_loop().time()) > 0:
            self._ended.clear()
            waiting = asyncio.ensure_future(self._ended.wait())
            await asyncio.wait([waiting], timeout=left)
            waiting.cancel()

    async def _refuse(self, transport: Transport, limit: int, whose: str = "") -> None:
        if self._stopping:
            code, reason, message = RESTART, "server_shutting_down", "The server stops; come back soon."
        else:
            code, reason = TRY_LATER, "too_many_sessions"
            message = f"{limit} conversations {whose}go on, which is all at once; try again in a moment."
        transport.send(error(SERVER_ERROR, reason, message))
        transport.close(code, reason)
        await transport.run()
