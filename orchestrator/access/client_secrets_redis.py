"""Tokens for browsers in Redis, where API processes of several machines share them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from lumen.errors import ServiceUnavailableException
from orchestrator.access.client_secrets import USED_SECONDS, ClientSecret
from orchestrator.core.rate_limit import redis_pool

VALID: Final = "lumen:secrets"
"""Sorted set of the hashes of valid tokens by the time of their end; one more for each key."""


class RedisSecrets:
    """Tokens in Redis. While it is away, none are made and none are taken."""

    def __init__(self, url: str) -> None:
        self._pool = redis_pool(url)
        self._redis: Redis = Redis(connection_pool=self._pool)

    async def put(self, digest: str, secret: ClientSecret, limit: int, share: int) -> bool:
        now, own = time.time(), f"{VALID}:{secret.owner}"
        with _outages():
            async with self._redis.pipeline(transaction=True) as pipe:
                for name in (VALID, own):
                    pipe.zremrangebyscore(name, "-inf", now)
                    pipe.zadd(name, {digest: secret.expires})
                    pipe.zcard(name)
                    pipe.expireat(name, int(secret.expires) + 7200)
                answers = await pipe.execute()
            if answers[2] > limit or answers[6] > share:
                await self._forget(digest, secret.owner)
                return False
            await self._redis.set(_name(digest), secret.model_dump_json(), exat=int(secret.expires) + 1)
        return True

    async def take(self, digest: str) -> ClientSecret | None:
        with _outages():
            data = await self._redis.getdel(_name(digest))
            if data is None:
                return None
            found = ClientSecret.model_validate_json(data)
            await self._forget(digest, found.owner)
            if found.expires <= time.time():
                return None
            await self._redis.set(_used(digest), "1", ex=int(USED_SECONDS))
        return found

    async def was_used(self, digest: str) -> bool:
        with _outages():
            return bool(await self._redis.exists(_used(digest)))

    async def close(self) -> None:
        await self._redis.aclose()
        await self._pool.aclose()

    async def _forget(self, digest: str, owner: str) -> None:
        await self._redis.zrem(VALID, digest)
        await self._redis.zrem(f"{VALID}:{owner}", digest)


@contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise ServiceUnavailableException(
            f"Tokens for browsers cannot be looked up now ({type(error).__name__}); try again in a moment."
        ) from error


def _name(digest: str) -> str:
    return f"lumen:secret:{digest}"


def _used(digest: str) -> str:
    return f"lumen:secret-used:{digest}"
