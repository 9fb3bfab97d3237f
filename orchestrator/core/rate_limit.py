"""Requests per client address, counted in memory or in Redis by the library `limits`."""

import logging
import math
import time
from typing import Final

from limits import parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from lumen.errors import RateLimitException

log = logging.getLogger("lumen")

STORAGE_TIMEOUT: Final = 1.0
"""Seconds that Redis may take to connect or to answer."""


class RateLimiter:
    """Counts in a moving window.

    When the shared storage fails, this process counts in its own memory until the storage is back,
    so that an outage neither stops the service nor lifts the limit; both changes are logged.

    Args:
        limit: in the notation of `limits`, such as ``100/minute``.
        storage: ``memory://`` or ``redis://host:port/db``.

    Raises:
        ValueError: one of them is malformed.
    """

    def __init__(self, limit: str, storage: str) -> None:
        self._limit = parse(limit)
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._shared = self._local if storage == "memory://" else MovingWindowRateLimiter(_redis(storage))
        self._outage = False

    async def hit(self, client: str) -> None:
        """Count one request of ``client``.

        Raises:
            RateLimitException: it is one too many.
        """
        limiter = self._shared
        try:
            allowed = await limiter.hit(self._limit, client)
            wait = 0.0 if allowed else await self._wait(limiter, client)
            self._note_outage(None)
        except Exception as error:  # whatever the storage's client raises
            self._note_outage(error)
            limiter = self._local
            allowed = await limiter.hit(self._limit, client)
            wait = 0.0 if allowed else await self._wait(limiter, client)
        if not allowed:
            seconds = max(1, math.ceil(wait))
            raise RateLimitException(f"At most {self._limit} per client; try again in {seconds} s.", seconds)

    async def _wait(self, limiter: MovingWindowRateLimiter, client: str) -> float:
        return (await limiter.get_window_stats(self._limit, client)).reset_time - time.time()

    def _note_outage(self, error: Exception | None) -> None:
        if error is not None and not self._outage:
            log.error("The rate limit's storage fails (%s); counting in this process", type(error).__name__)
        if error is None and self._outage:
            log.warning("The rate limit's storage is back")
        self._outage = error is not None


def _redis(url: str) -> Storage:
    storage = storage_from_string(
        f"async+{url}",
        implementation="redispy",
        socket_connect_timeout=STORAGE_TIMEOUT,
        socket_timeout=STORAGE_TIMEOUT,
    )
    assert isinstance(storage, Storage)
    return storage
