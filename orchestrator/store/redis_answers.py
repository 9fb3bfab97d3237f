"""Answers that several processes share, in Redis; see `answers`."""

import json
import time
from typing import Final

from orchestrator.store.answers import BEAT_SECONDS, Answer, check_request, packed, still_served, unpacked
from orchestrator.store.redis_client import answering, connect

PREFIX: Final = "lumen:answer:"
INDEX: Final = "lumen:answers"

TAKEN_SECONDS: Final = round(3 * BEAT_SECONDS)
"""Seconds without a sign of life after which a key that was taken is free again: its process died."""


class RedisAnswers:
    """Keeps answers in Redis.

    Args:
        seconds: for which an answer is kept.
        most: answers that are kept; the oldest ones give way.
    """

    def __init__(self, url: str, seconds: float, most: int) -> None:
        self._redis = connect(url)
        self._seconds = max(1, round(seconds))
        self._most = most

    async def take(self, name: str, request: str) -> Answer | None:
        key = PREFIX + name
        async with answering():
            if await self._redis.set(key, json.dumps({"request": request}), nx=True, ex=TAKEN_SECONDS):
                return None
            record = json.loads(await self._redis.get(key) or "{}")
        check_request(record.get("request", request), request)
        if "status" not in record:
            raise still_served()
        return unpacked(record)

    async def keep_taken(self, name: str, request: str) -> None:
        async with answering():
            await self._redis.expire(PREFIX + name, TAKEN_SECONDS)

    async def keep(self, name: str, request: str, answer: Answer) -> None:
        key, record = PREFIX + name, json.dumps(packed(request, answer))
        async with answering():
            await self._redis.set(key, record, ex=self._seconds)
            await self._redis.zadd(INDEX, {key: time.time()})
            await self._redis.zremrangebyscore(INDEX, 0, time.time() - self._seconds)
            too_many = await self._redis.zcard(INDEX) - self._most
            if too_many > 0:
                oldest = await self._redis.zpopmin(INDEX, too_many)
                await self._redis.delete(*(name for name, _ in oldest))

    async def release(self, name: str) -> None:
        async with answering():
            await self._redis.delete(PREFIX + name)

    async def close(self) -> None:
        await self._redis.aclose()
