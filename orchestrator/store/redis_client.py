"""A client of the Redis that several processes share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lumen.errors import ServiceUnavailableException

TIMEOUT: Final = 5.0
"""Seconds that Redis may take to connect or to answer."""


def connect(url: str) -> Redis:
    """A client that gives up after `TIMEOUT`; it connects when it is used."""
    retry = Retry(NoBackoff(), 1)
    return Redis.from_url(url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT, retry=retry)


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Raise ServiceUnavailableException where Redis does not answer."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise ServiceUnavailableException(
            f"The Redis of JOBS_STORAGE does not answer ({type(error).__name__}); try again in a moment."
        ) from error
