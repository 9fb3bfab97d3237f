"""Sums of usage in Redis, for API processes of several machines."""

import logging
import time
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.access.usage import KEPT_DAYS, FileUsage, Used
from orchestrator.core.rate_limit import OUTAGE_SECONDS, redis_pool
from orchestrator.live.meter import Kind

log = logging.getLogger("lumen")

KEPT_SECONDS: Final = (KEPT_DAYS + 1) * 86_400


class RedisUsage:
    """Sums in Redis; while it fails, this machine's file takes and tells them, and the log says so.

    What the file took is not told again when Redis is back.
    """

    def __init__(self, url: str, file: FileUsage) -> None:
        self._pool = redis_pool(url)
        self._redis: Redis = Redis(connection_pool=self._pool)
        self._file = file
        self._outage_until = 0.0

    async def add(self, owner: str, day: date, kind: Kind, seconds: float) -> None:
        if not self._away():
            try:
                async with self._redis.pipeline(transaction=True) as pipe:
                    name = _name(owner, day)
                    pipe.hincrbyfloat(name, f"{kind}_seconds", seconds)
                    pipe.hincrby(name, "videos" if kind == "video" else "speeches", 1)
                    pipe.expire(name, KEPT_SECONDS)
                    await pipe.execute()
                return
            except (RedisError, OSError) as error:
                self._fails(error)
        await self._file.add(owner, day, kind, seconds)

    async def read(self, owner: str, days: Sequence[date]) -> list[Used]:
        if not self._away():
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for day in days:
                        pipe.hgetall(_name(owner, day))
                    return [_used(fields) for fields in await pipe.execute()]
            except (RedisError, OSError) as error:
                self._fails(error)
        return await self._file.read(owner, days)

    async def close(self) -> None:
        await self._redis.aclose()
        await self._pool.aclose()

    def _away(self) -> bool:
        return time.monotonic() < self._outage_until

    def _fails(self, error: Exception) -> None:
        log.error("The usage's storage fails (%s); a file of this machine takes it", type(error).__name__)
        self._outage_until = time.monotonic() + OUTAGE_SECONDS


def _name(owner: str, day: date) -> str:
    return f"lumen:usage:{owner}:{day.isoformat()}"


def _used(fields: dict[Any, Any]) -> Used:
    return Used.model_validate({_text(name): _text(value) for name, value in fields.items()})


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
