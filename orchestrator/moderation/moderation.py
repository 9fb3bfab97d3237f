"""Moderation of what comes in and of what a writer replies."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from lumen.aio import with_timeout
from lumen.errors import ContentRefusedException, ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.moderation.moderators import FunctionModerator, HttpModerator, Moderator, Subject

log = logging.getLogger("lumen")

CHECKS_AT_ONCE: Final = 16
"""Checks that are asked for at once; more wait, within the time that a check may take."""


class Moderation:
    """Asks the operator's moderator, where there is one, and refuses what it refuses."""

    def __init__(self, settings: Settings) -> None:
        self._place = settings.moderation or ""
        self._timeout = settings.moderation_timeout
        self._allows_unknown = settings.moderation_failure == "allow"
        self._moderator: Moderator | None = None
        self._slots = asyncio.Semaphore(CHECKS_AT_ONCE)

    @property
    def on(self) -> bool:
        return bool(self._place)

    async def start(self) -> None:
        """Open the way to the moderator; the first check does too.

        Raises:
            InvalidInputException: its function cannot be imported.
        """
        if self._moderator is not None:
            return
        if self._place.startswith(("http://", "https://")):
            self._moderator = HttpModerator(self._place, self._timeout)
        elif self._place:
            self._moderator = await asyncio.to_thread(FunctionModerator, self._place)

    async def close(self) -> None:
        if self._moderator is not None:
            await self._moderator.close()

    async def text(self, where: str, text: str) -> None:
        """Check a text, such as a prompt; a blank one is allowed. Raises as `check` does."""
        if text.strip():
            await self.check(Subject("text", where, text))

    async def prompt(self, prompt: str, said: Sequence[str]) -> None:
        """Check a prompt and what its user said before. Raises as `check` does."""
        await self.text("prompt", prompt)
        await self.text("conversation_history", "\n".join(said))

    async def name(self, name: str | None) -> None:
        """Check the name of a voice or an avatar, where one is given. Raises as `check` does."""
        if name is not None:
            await self.check(Subject("name", "name", name))

    async def picture(self, where: str, picture: bytes) -> None:
        """Check a picture's file. Raises as `check` does."""
        await self.check(Subject("picture", where, picture=picture))

    async def check(self, subject: Subject) -> None:
        """Ask about a subject.

        Raises:
            ContentRefusedException: it is refused.
            ServiceUnavailableException: nobody answers, and what is not known to be allowed is refused.
        """
        if not self.on:
            return
        try:
            reason = await with_timeout(self._timeout, self._ask(subject))
        except Exception as error:  # whatever an operator's code or service does is one of two settings
            log.warning("The moderation of a %s failed: %s: %s", subject.kind, type(error).__name__, error)
            if self._allows_unknown:
                return
            raise ServiceUnavailableException(
                f"{subject.where}: the moderation service does not answer, and nothing is made unchecked; "
                "try again later."
            ) from error
        if reason is not None:
            log.warning("Moderation refused a %s (%s)", subject.kind, subject.where)
            raise ContentRefusedException(
                f"{subject.where}: the operator's moderation refuses it"
                + (f": {reason}" if reason else "")
                + "; send something else."
            )

    async def _ask(self, subject: Subject) -> str | None:
        async with self._slots:
            await self.start()
            assert self._moderator is not None
            return await self._moderator.ask(subject)
