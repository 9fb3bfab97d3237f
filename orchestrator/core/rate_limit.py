"""Requests per client address, counted in memory or in Redis by the library `limits`."""

import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final

from limits import parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from lumen.errors import InvalidInputException, RateLimitException

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = logging.getLogger("lumen")

STORAGE_TIMEOUT: Final = 1.0
"""Seconds that Redis may take to connect or to answer."""

OUTAGE_SECONDS: Final = 5.0
"""Seconds that a storage that failed is left alone before it is tried again."""


class RateLimiter:
    """Counts in a moving window.

    When the shared storage fails, this process counts in its own memory until the storage is back,
    so that an outage neither stops the service nor lifts the limit; both changes are logged.

    Args:
        limit: in the notation of `limits`, such as ``100/minute``.
        storage: ``memory://`` or ``redis://host:port/db``.

    Raises:
        InvalidInputException: one of them is malformed.
    """

    def __init__(self, limit: str, storage: str) -> None:
        self._local = MovingWindowRateLimiter(MemoryStorage())
        try:
            self._limit = parse(limit)
            self._pool = None if storage == "memory://" else _redis_pool(storage)
        except ValueError as error:
            raise InvalidInputException(
                "RATE_LIMIT or RATE_LIMIT_STORAGE is malformed, expected for example '100/minute' and "
                f"'memory://' or 'redis://host:6379/0': {error}"
            ) from None
        self._shared = self._local if self._pool is None else _in_redis(storage, self._pool)
        self._outage_until = 0.0

    async def hit(self, client: str) -> None:
        """Count one request of ``client``.

        Raises:
            RateLimitException: it is one too many.
        """
        wait = await self._count(client)
        if wait is not None:
            seconds = max(1, math.ceil(wait))
            raise RateLimitException(f"At most {self._limit} per client; try again in {seconds} s.", seconds)

    async def close(self) -> None:
        """Close the connections to the storage."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _count(self, client: str) -> float | None:
        """Count in the shared storage, or here while it fails; see `_count_in`."""
        if time.monotonic() < self._outage_until:
            return await self._count_in(self._local, client)
        try:
            wait = await self._count_in(self._shared, client)
        except Exception as error:  # whatever the storage's client raises
            log.error("The rate limit's storage fails (%s); counting in this process", type(error).__name__)
            self._outage_until = time.monotonic() + OUTAGE_SECONDS
            return await self._count_in(self._local, client)
        if self._outage_until:
            log.warning("The rate limit's storage is back")
            self._outage_until = 0.0
        return wait

    async def _count_in(self, limiter: MovingWindowRateLimiter, client: str) -> float | None:
        """None when the request is allowed, else seconds until the next one is."""
        if await limiter.hit(self._limit, client):
            return None
        return (await limiter.get_window_stats(self._limit, client)).reset_time - time.time()


def _redis_pool(url: str) -> "ConnectionPool":
    from redis.asyncio import ConnectionPool  # only who uses Redis loads its client
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return ConnectionPool.from_url(
        url,
        socket_connect_timeout=STORAGE_TIMEOUT,
        socket_timeout=STORAGE_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
    )


def _in_redis(url: str, pool: Any) -> MovingWindowRateLimiter:
    storage = storage_from_string(f"async+{url}", implementation="redispy", connection_pool=pool)
    assert isinstance(storage, Storage)
    return MovingWindowRateLimiter(storage)
