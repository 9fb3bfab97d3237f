"""Tokens for browsers: each opens one live conversation for the key that made it, within a short time."""

import hashlib
import secrets
import time
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict

from lumen.errors import BusyException, UnauthorizedException
from orchestrator.request_context import EVERYONE, share_of

PREFIX: Final = "ek_"

SHARE: Final = 0.1
"""Part of all tokens that one key may have."""

USED_SECONDS: Final = 600.0
"""Time for which it is known that a token was used, to say so."""


class ClientSecret(BaseModel):
    """Rights that a token stands for.

    Attributes:
        owner: id of the key. expires: Unix time. session: configuration of the conversation that it opens.
    """

    model_config = ConfigDict(frozen=True)

    owner: str
    expires: float
    session: dict[str, Any] | None = None


class SecretStore(Protocol):
    """Store of tokens, by their hashes."""

    async def put(self, digest: str, secret: ClientSecret, limit: int, share: int) -> bool:
        """Keep a token; False where ``limit`` are valid, or ``share`` of them are of its key."""
        ...

    async def take(self, digest: str) -> ClientSecret | None:
        """Take a token that is valid, so that nobody finds it again."""
        ...

    async def was_used(self, digest: str) -> bool:
        """Whether a token was taken not long ago."""
        ...

    async def close(self) -> None: ...


class ClientSecrets:
    """Makes tokens and takes each of them once.

    Args:
        limit: that are valid at once.
    """

    def __init__(self, store: SecretStore, limit: int) -> None:
        self._store = store
        self._limit = limit

    async def make(
        self, owner: str, seconds: float, session: dict[str, Any] | None = None
    ) -> tuple[str, float]:
        """Make a token of the key ``owner``; it and the Unix time of its end are returned.

        Raises:
            BusyException: as many are valid as may be.
        """
        token = PREFIX + secrets.token_urlsafe(32)
        secret = ClientSecret(owner=owner, expires=time.time() + seconds, session=session)
        share = self._limit if owner == EVERYONE else share_of(self._limit, SHARE)
        if not await self._store.put(_digest(token), secret, self._limit, share):
            raise BusyException("As many tokens are valid as may be at once; use those that were made.")
        return token, secret.expires

    async def redeem(self, token: str) -> ClientSecret:
        """Take a token, which is not valid afterwards.

        Raises:
            UnauthorizedException: it was used, its time is over, or it was never made.
        """
        digest = _digest(token)
        found = await self._store.take(digest)
        if found is None:
            used = await self._store.was_used(digest)
            what = "was used before" if used else "is not valid, or its time is over"
            raise UnauthorizedException(f"The token {what}; make one with POST /v1/realtime/client_secrets.")
        return found

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()


class MemorySecrets:
    """Tokens in this process."""

    def __init__(self) -> None:
        self._valid: dict[str, ClientSecret] = {}
        self._used: dict[str, float] = {}

    async def put(self, digest: str, secret: ClientSecret, limit: int, share: int) -> bool:
        self._forget_old()
        own = sum(each.owner == secret.owner for each in self._valid.values())
        if len(self._valid) >= limit or own >= share:
            return False
        self._valid[digest] = secret
        return True

    async def take(self, digest: str) -> ClientSecret | None:
        self._forget_old()
        found = self._valid.pop(digest, None)
        if found is not None:
            self._used[digest] = time.time() + USED_SECONDS
        return found

    async def was_used(self, digest: str) -> bool:
        return digest in self._used

    async def close(self) -> None:
        """Nothing is open."""

    def _forget_old(self) -> None:
        now = time.time()
        self._valid = {digest: each for digest, each in self._valid.items() if each.expires > now}
        self._used = {digest: until for digest, until in self._used.items() if until > now}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
