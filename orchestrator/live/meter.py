"""Whoever is told how much a conversation makes, and may refuse the next answer."""

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
