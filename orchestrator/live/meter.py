"""Whoever is told how much a conversation makes, and may refuse the next answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, Protocol

Kind = Literal["video", "speech"]


class Meter(Protocol):
    """Counts for the client of the request that is being served."""

    async def check(self, kind: Kind) -> None:
        """Refuse an answer before it is begun.

        Raises:
            LumenException: the client has used up what it may use.
        """
        ...

    async def charge(self, kind: Kind, seconds: float) -> None:
        """Count ``seconds`` that were made."""
        ...


class Unmetered:
    """Counts nothing."""

    async def check(self, kind: Kind) -> None:
        """Refuse nothing."""

    async def charge(self, kind: Kind, seconds: float) -> None:
        """Count nothing."""


@asynccontextmanager
async def metered(meter: Meter, picture: bool, seconds: Callable[[], float]) -> AsyncIterator[None]:
    """Refuse an answer, or count what was made of it when the block ends.

    Args:
        picture: whether it is a video. seconds: tells how much was made.
    """
    kind: Kind = "video" if picture else "speech"
    await meter.check(kind)
    try:
        yield
    finally:
        await meter.charge(kind, seconds())
