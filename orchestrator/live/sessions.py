"""All conversations of the server: how many there may be, and their end when it stops."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.portraits import Portraits
from orchestrator.live.dialects import Dialect
from orchestrator.live.idle import IdleClips
from orchestrator.live.scene import Characters
from orchestrator.live.server_events import SERVER_ERROR, error
from orchestrator.live.session import Session
from orchestrator.live.transport import RESTART, TRY_LATER, Socket, Transport
from orchestrator.marking.marking import Marking
from orchestrator.moderation.moderation import Moderation

log = logging.getLogger("lumen")

STOP_SECONDS: Final = 3.0
"""How long the conversations may take to end when the server stops."""

IDLE_FOLDER: Final = "idle"
"""Folder of the idle clips in the outputs."""


class LiveSessions:
    """Serves conversations, at most ``MAX_LIVE_SESSIONS`` at once."""

    def __init__(
        self,
        settings: Settings,
        models: ModelManager,
        portraits: Portraits,
        moderation: Moderation | None = None,
    ) -> None:
        self._settings = settings
        self._moderation = moderation
        self._models = models
        self._characters = Characters(settings, models, portraits)
        self.idle = IdleClips(self._characters, Path(settings.outputs_path) / IDLE_FOLDER, Marking(settings))
        self._sessions: set[Session] = set()
        self._ended = asyncio.Event()
        self._stopping = False

    @property
    def count(self) -> int:
        """Conversations that go on now."""
        return len(self._sessions)

    async def serve(self, socket: Socket, dialect: Dialect, *, binary: bool) -> None:
        """Serve one conversation to its end, or refuse it with a reason."""
        transport = Transport(socket, dialect, binary=binary)
        if self._stopping or self.count >= self._settings.max_live_sessions:
            await self._refuse(transport)
            return
        session = Session(
            transport,
            dialect,
            self._settings,
            self._models,
            self._characters,
            self.idle,
            self._moderation,
        )
        self._sessions.add(session)
        log.info("Conversation %s begins; there are %d", session.id, self.count)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            self._ended.set()
            log.info("Conversation %s ends; there are %d", session.id, self.count)

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

    async def _refuse(self, transport: Transport) -> None:
        if self._stopping:
            code, reason, message = RESTART, "server_shutting_down", "The server stops; come back soon."
        else:
            limit = self._settings.max_live_sessions
            code, reason = TRY_LATER, "too_many_sessions"
            message = f"{limit} conversations go on, which is all at once; try again in a moment."
        transport.send(error(SERVER_ERROR, reason, message))
        transport.close(code, reason)
        await transport.run()
