"""Tokens for browsers: each opens one live conversation for the key that made it, within a short time."""

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lumen.errors import BusyException, UnauthorizedException
from orchestrator.core.clients import share_of

PREFIX: Final = "ek_"

SHARE: Final = 0.1
"""Part of all tokens that one key may have."""

USED_SECONDS: Final = 600.0
"""Time for which it is known that a token was used, to say so."""


@dataclass(frozen=True)
class ClientSecret:
    """What a token stands for.

    Attributes:
        owner: id of the key. expires: Unix time. session: configuration of the conversation that it opens.
    """

    owner: str
    expires: float
    session: Mapping[str, Any] | None = None


class ClientSecrets:
    """Makes tokens and takes each of them once; they live in this process.

    Args:
        limit: that are valid at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._valid: dict[str, ClientSecret] = {}
        self._used: dict[str, float] = {}

    def make(self, owner: str, seconds: float, session: Mapping[str, Any] | None = None) -> tuple[str, float]:
        """Make a token of the key ``owner``; it and the Unix time of its end are returned.

        Raises:
            BusyException: as many are valid as may be.
        """
        self._forget_old()
        held = Counter(secret.owner for secret in self._valid.values())
        if len(self._valid) >= self._limit or held[owner] >= share_of(self._limit, SHARE):
            raise BusyException("As many tokens are valid as may be at once; use those that were made.")
        token, expires = PREFIX + secrets.token_urlsafe(32), time.time() + seconds
        self._valid[_digest(token)] = ClientSecret(owner, expires, session)
        return token, expires

    def redeem(self, token: str) -> ClientSecret:
        """Take a token, which is not valid afterwards.

        Raises:
            UnauthorizedException: it was used, its time is over, or it was never made.
        """
        self._forget_old()
        digest = _digest(token)
        found = self._valid.pop(digest, None)
        if found is None:
            what = "was used before" if digest in self._used else "is not valid, or its time is over"
            raise UnauthorizedException(f"The token {what}; make one with POST /v1/realtime/client_secrets.")
        self._used[digest] = time.time() + USED_SECONDS
        return found

    def _forget_old(self) -> None:
        now = time.time()
        self._valid = {digest: each for digest, each in self._valid.items() if each.expires > now}
        self._used = {digest: until for digest, until in self._used.items() if until > now}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
