"""Jobs of several processes: records in Redis, handed out by saq.

A job is a hash ``lumen:job:<id>`` of its parts: ``job`` as it was asked for, ``state`` as it is, ``end``
once it has ended, ``untold`` until its observers know that, ``revision``. Sorted sets by age are the
indexes: of all jobs, of an owner's, of those that have not ended, of those that wait, of a sharer's that
wait; one more has those that are untold, by when that was last tried. What must happen together is a
script, so plain Redis and Valkey serve. The records are as safe as Redis's disk: ``appendonly yes``.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Final, cast

from redis.exceptions import RedisError

from lumen.aio import cancel
from orchestrator.jobs.changes import Changes
from orchestrator.jobs.job import Job, JobState
from orchestrator.jobs.saq_queue import SaqJobQueue
from orchestrator.jobs.store import TELL_SECONDS, Bounds, Page
from orchestrator.jobs.turns import jobs_before
from orchestrator.store.redis_client import answering, connect

log = logging.getLogger("lumen")

LISTEN_SECONDS: Final = 2.0
"""Time for which one look for changes waits."""

PAUSE_SECONDS: Final = 1.0
"""Pause before changes are listened to again after Redis was away."""

SWEPT: Final = 100
"""Oldest jobs that one sweep looks at, besides those that are too many."""

CHANNEL: Final = "lumen:jobs:changed"

ALL: Final = "lumen:jobs"
OPEN: Final = "lumen:jobs:open"
WAITING: Final = "lumen:jobs:waiting"
UNTOLD: Final = "lumen:jobs:untold"

ADD: Final = """
local queued, own = redis.call('ZCARD', KEYS[3]), redis.call('ZCARD', KEYS[4])
if queued >= tonumber(ARGV[4]) or own >= tonumber(ARGV[5]) then return {queued, own} end
redis.call('HSET', KEYS[1], 'job', ARGV[2], 'state', ARGV[3], 'revision', 0, 'sharer', ARGV[7])
for i = 2, #KEYS do redis.call('ZADD', KEYS[i], ARGV[6], ARGV[1]) end
return false
"""
"""Adds a job to all indexes, unless as many wait as may; then it tells how many do."""

SHARERS: Final = """
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  table.insert(found, id)
  table.insert(found, redis.call('HGET', ARGV[1] .. id, 'sharer') or '')
end
return found
"""
"""Tells the jobs that wait by age, each with its sharer."""

UPDATE: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'end') == 1 then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'revision', 1)
for i = 2, #KEYS do
  if ARGV[3] == '1' then redis.call('ZADD', KEYS[i], ARGV[4], ARGV[1])
  else redis.call('ZREM', KEYS[i], ARGV[1]) end
end
redis.call('PUBLISH', ARGV[5], ARGV[1])
return 1
"""
"""Keeps the state of a job that has not ended, and whether it waits."""

END: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HSETNX', KEYS[1], 'end', ARGV[2]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('EXPIREAT', KEYS[1], ARGV[3])
redis.call('EXPIREAT', ARGV[5], ARGV[3])
redis.call('HSET', KEYS[1], 'untold', 1)
redis.call('ZADD', ARGV[6], ARGV[7], ARGV[1])
for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
redis.call('PUBLISH', ARGV[4], ARGV[1])
return 1
"""
"""Ends a job, if nobody did before, untold; its owner's index lives as long as the last of its jobs."""

CLAIM: Final = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], id) end
return due
"""
"""Takes the untold jobs that nobody has tried to tell of since a time, and notes that it is tried now."""

CLAIMED: Final = 100
"""Untold jobs that are taken at once."""

PARTS: Final = ["job", "state", "end", "untold", "revision"]

Part = bytes | None


class RedisJobStore:
    """Keeps jobs in Redis; see the module."""

    def __init__(self, url: str, bounds: Bounds) -> None:
        self.changes = Changes()
        self._bounds = bounds
        self._redis = connect(url)
        self._add = self._redis.register_script(ADD)
        self._sharers = self._redis.register_script(SHARERS)
        self._update = self._redis.register_script(UPDATE)
        self._end = self._redis.register_script(END)
        self._claim = self._redis.register_script(CLAIM)
        self._listener: asyncio.Task[None] | None = None
        self._open = False

    async def open(self) -> None:
        """Begin to listen for changes, whether Redis is there or comes back later."""
        self._open = True
        self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        self._open = False  # a client that is cancelled while it connects may say that it failed
        if self._listener is not None:
            await cancel(self._listener)
        await self._redis.aclose()

    async def check_room(self, sharer: str) -> None:
        async with answering():
            queued, own = await self._redis.zcard(WAITING), await self._redis.zcard(_waiting_of(sharer))
        self._bounds.check(queued, own)

    async def add(self, job: Job) -> None:
        keys = [_key(job.id), OPEN, WAITING, _waiting_of(job.sharer), ALL, _of_owner(job.owner)]
        record, state = job.model_dump_json(exclude={"state", "revision"}), job.state.model_dump_json()
        limits = self._bounds.queued, self._bounds.share
        async with answering():
            full = await self._add(keys, [job.id, record, state, *limits, job.created_at, job.sharer])
        if full:
            self._bounds.check(*full)

    async def get(self, job_id: str) -> Job | None:
        async with answering():
            parts = await cast(Awaitable[list[Part]], self._redis.hmget(_key(job_id), PARTS))
        return _job(parts)

    async def page(self, owner: str, page: Page) -> tuple[Sequence[Job], bool]:
        found: list[Job] = []
        async for job in self._jobs(_of_owner(owner), page):
            if page.status in (None, job.state.status):
                found.append(job)
            if len(found) > page.limit:
                break
        return found[: page.limit], len(found) > page.limit

    async def ahead(self, job: Job) -> int:
        async with answering():
            found = [_text(each) for each in await self._sharers([WAITING], [_key("")])]
        ids, sharers = found[::2], found[1::2]
        return jobs_before(sharers, ids.index(job.id)) if job.id in ids else 0

    async def update(self, job: Job) -> bool:
        keys = [_key(job.id), WAITING, _waiting_of(job.sharer)]
        state, waits = job.state.model_dump_json(), int(job.queued)
        async with answering():
            return bool(await self._update(keys, [job.id, state, waits, job.created_at, CHANNEL]))

    async def end(self, job: Job) -> bool:
        keys = [_key(job.id), OPEN, WAITING, _waiting_of(job.sharer)]
        state, expires = job.state.model_dump_json(), int(job.state.expires_at or 0)
        async with answering():
            told = CHANNEL, _of_owner(job.owner), UNTOLD, time.time()
            return bool(await self._end(keys, [job.id, state, expires, *told]))

    async def untold(self, now: float) -> Sequence[Job]:
        async with answering():
            due = await self._claim([UNTOLD], [now - TELL_SECONDS, now, CLAIMED])
        jobs = {job_id: await self.get(job_id) for job_id in map(_text, due)}
        if forgotten := [job_id for job_id, job in jobs.items() if job is None]:
            async with answering():
                await self._redis.zrem(UNTOLD, *forgotten)
        return [job for job in jobs.values() if job is not None]

    async def told(self, job: Job) -> None:
        async with answering(), self._redis.pipeline(transaction=True) as together:
            together.hdel(_key(job.id), "untold")
            together.zrem(UNTOLD, job.id)
            await together.execute()

    async def remove(self, job: Job) -> None:
        async with answering(), self._redis.pipeline(transaction=True) as together:
            together.delete(_key(job.id))
            for index in (OPEN, WAITING, UNTOLD, _waiting_of(job.sharer), ALL, _of_owner(job.owner)):
                together.zrem(index, job.id)
            together.publish(CHANNEL, job.id)
            await together.execute()

    async def sweep(self, now: float) -> Sequence[str]:
        """Take those that Redis has forgotten out of the index; where too many are left, the oldest go."""
        gone: list[str] = []
        async with answering():
            too_many = await self._redis.zcard(ALL) - self._bounds.kept
            oldest = [_text(raw) for raw in await self._redis.zrange(ALL, 0, max(0, too_many) + SWEPT)]
        for index, job_id in enumerate(oldest):
            job = await self.get(job_id)
            if job is None:
                async with answering():
                    await self._redis.zrem(ALL, job_id)
            elif job.ended and index < too_many:
                await self.remove(job)
                gone.append(job_id)
        return gone

    async def unfinished(self) -> Sequence[Job]:
        async with answering():
            ids = [_text(raw) for raw in await self._redis.zrange(OPEN, 0, -1)]
        jobs = [await self.get(job_id) for job_id in ids]
        return [job for job in jobs if job is not None]

    async def _jobs(self, index: str, page: Page) -> AsyncIterator[Job]:
        """Yield the jobs of an index in order; those that have expired leave it."""
        async with answering():
            rank = self._redis.zrank if page.ascending else self._redis.zrevrank
            place = -1 if page.after is None else await rank(index, page.after)
        while place is not None:
            first = place + 1
            async with answering():
                raw = await self._redis.zrange(index, first, first + page.limit, desc=not page.ascending)
            ids = [_text(each) for each in raw]
            jobs = {job_id: await self.get(job_id) for job_id in ids}
            if expired := [job_id for job_id, job in jobs.items() if job is None]:
                async with answering():
                    await self._redis.zrem(index, *expired)
            for job in jobs.values():
                if job is not None:
                    yield job
            place = None if not ids else place + len(ids) - len(expired)

    async def _listen(self) -> None:
        """Tell this process of all changes; after an outage, of those that there may have been."""
        while self._open:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    self.changes.tell_all()
                    while self._open:
                        message = await subscription.get_message(True, timeout=LISTEN_SECONDS)
                        if message is not None:
                            self.changes.tell(_text(message["data"]))
            except (RedisError, OSError):
                await asyncio.sleep(PAUSE_SECONDS)


class RedisJobs:
    """Jobs that several processes share; see `service.Backend`.

    Args:
        workers: jobs that this process does at once.
        heartbeat: seconds without a sign of life after which another process does a job.
    """

    alone: Final = False

    def __init__(self, url: str, bounds: Bounds, workers: int, heartbeat: float) -> None:
        self.store: Final = RedisJobStore(url, bounds)
        self.queue: Final = SaqJobQueue(url, workers, heartbeat)

    async def open(self) -> None:
        await self.store.open()

    async def close(self) -> None:
        await self.store.close()


def _job(parts: Sequence[Part]) -> Job | None:
    record, state, end, untold, revision = parts
    if record is None or state is None:
        return None
    job = Job.model_validate_json(record)
    now = JobState.model_validate_json(end or state).model_copy(update={"untold": untold is not None})
    return job.model_copy(update={"state": now, "revision": int(revision or 0)})


def _key(job_id: str) -> str:
    return f"lumen:job:{job_id}"


def _of_owner(owner: str) -> str:
    return f"{ALL}:of:{owner}"


def _waiting_of(sharer: str) -> str:
    return f"{WAITING}:{sharer}"


def _text(raw: Any) -> str:
    return raw.decode() if isinstance(raw, bytes) else str(raw)
