"""Signed addresses of files: a browser's ``<video>`` sends no key, so the address itself says whose it is."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from orchestrator.access.credentials import QUERY
from orchestrator.request_context import EVERYONE, owner

MAC_CHARACTERS: Final = 32
"""Characters of the signature: 192 bits."""


class Links:
    """Signs addresses for the key of the request, and tells whose a signature is.

    Args:
        secret: of the signatures.
        seconds: for which one holds at most; at least half of them, and meanwhile an address stays the same,
            so that browsers keep what they have.
    """

    def __init__(self, secret: Callable[[], bytes], seconds: float) -> None:
        self._secret = secret
        self._seconds = seconds

    def sign(self, url: str) -> str:
        """``url``, a quoted path, as whoever asks may pass it on; as it is while no keys are asked for."""
        name = owner.get()
        if name == EVERYONE:
            return url
        step = max(1, int(self._seconds / 2))
        expires = int(time.time() + self._seconds) // step * step
        return f"{url}?{QUERY}={name}.{expires}.{self._mac(unquote(url), name, expires)}"

    def owner_of(self, path: str, token: str) -> str | None:
        """Id of the key that ``token`` was signed for; None where it was not, or its time is over.

        Args:
            path: as it is, not quoted.
        """
        name, _, rest = token.partition(".")
        expires, _, mac = rest.partition(".")
        if not (expires.isascii() and expires.isdecimal() and len(expires) < 12):
            return None
        genuine = hmac.compare_digest(mac.encode(), self._mac(path, name, int(expires)).encode())
        return name if genuine and time.time() < int(expires) else None

    def _mac(self, path: str, name: str, expires: int) -> str:
        text = f"{path}\n{name}\n{expires}"
        digest = hmac.digest(self._secret(), text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode()[:MAC_CHARACTERS]
