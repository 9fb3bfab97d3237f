"""Requests per key or client address, counted in memory or in Redis by the library `limits`."""

import logging
import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from lumen.errors import InvalidInputException, RateLimitException
from orchestrator.request_context import response_headers

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = logging.getLogger("lumen")

STORAGE_TIMEOUT: Final = 1.0
"""Seconds that Redis may take to connect or to answer."""

OUTAGE_SECONDS: Final = 5.0
"""Seconds that a storage that failed is left alone before it is tried again."""


class Window(NamedTuple):
    """State of a limit for one client: requests that are left, and seconds until there are more again."""

    limit: RateLimitItem
    allowed: bool
    remaining: int
    seconds: int

    def headers(self) -> dict[str, str]:
        """Tell it as the IETF's draft on RateLimit header fields does."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit.amount};w={self.limit.get_expiry()}',
            "RateLimit": f'"default";r={self.remaining};t={self.seconds}',
        }


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
            self._pool = None if storage == "memory://" else redis_pool(storage)
        except ValueError as error:
            raise InvalidInputException(
                "RATE_LIMIT or RATE_LIMIT_STORAGE is malformed, expected for example '100/minute' and "
                f"'memory://' or 'redis://host:6379/0': {error}"
            ) from None
        self._shared = self._local if self._pool is None else _in_redis(storage, self._pool)
        self._outage_until = 0.0

    async def hit(self, client: str, limit: str | None = None) -> None:
        """Count one request of ``client``; the response's headers tell what is left.

        Args:
            limit: of this client, where it has one of its own.

        Raises:
            RateLimitException: it is one too many.
        """
        window = await self._count(self._limit if limit is None else _parsed(limit), client)
        response_headers.get({}).update(window.headers())
        if not window.allowed:
            limited, wait = window.limit, window.seconds
            raise RateLimitException(f"At most {limited} per client; try again in {wait} s.", wait)

    async def close(self) -> None:
        """Close the connections to the storage."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _count(self, limit: RateLimitItem, client: str) -> Window:
        """Count in the shared storage, or here while it fails."""
        if time.monotonic() < self._outage_until:
            return await _count_in(self._local, limit, client)
        try:
            window = await _count_in(self._shared, limit, client)
        except Exception as error:  # whatever the storage's client raises
            log.error("The rate limit's storage fails (%s); counting in this process", type(error).__name__)
            self._outage_until = time.monotonic() + OUTAGE_SECONDS
            return await _count_in(self._local, limit, client)
        if self._outage_until:
            log.warning("The rate limit's storage is back")
            self._outage_until = 0.0
        return window


async def _count_in(limiter: MovingWindowRateLimiter, limit: RateLimitItem, client: str) -> Window:
    allowed = await limiter.hit(limit, client)
    reset, remaining = await limiter.get_window_stats(limit, client)
    return Window(limit, allowed, remaining, max(1, math.ceil(reset - time.time())))


@lru_cache(256)
def _parsed(limit: str) -> RateLimitItem:
    return parse(limit)


def redis_pool(url: str) -> "ConnectionPool":
    """Connections to a Redis that must answer at once."""
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
