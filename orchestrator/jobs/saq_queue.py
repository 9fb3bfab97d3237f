"""The queue of jobs in Redis, by saq: who works gives signs of life, and what stops to is done by another."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError
from saq.job import Job as SaqJob
from saq.queue.base import Queue
from saq.queue.redis import RedisQueue
from saq.types import PartialTimersDict
from saq.worker import Worker

from lumen.aio import cancel, set_within
from orchestrator.jobs.job import Job
from orchestrator.jobs.queue import Work
from orchestrator.jobs.turns import Room, Turns
from orchestrator.store.redis_client import answering, connect

NAME: Final = "lumen"
FUNCTION: Final = "make_video"
SHARER: Final = "sharer"

BEATS: Final = 3
"""Signs of life in the time after which a worker without one counts as dead."""

DEQUEUE_SECONDS: Final = 2.0
"""Time for which one look into the queue waits."""

LOOK_SECONDS: Final = 0.25
"""Interval in which a worker without a job looks whether another process has pushed one."""

TAKE: Final = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1
"""
"""Moves a job from those that are queued to those that are being done, if no other worker did."""

PAUSE_SECONDS: Final = 1.0
"""Pause after Redis did not answer."""

MANY: Final = 1_000_000
"""Retries that saq allows: attempts are counted with the job."""

KEPT_SECONDS: Final = 60
"""Time for which saq remembers what was done."""

ABORT_SECONDS: Final = 0.2
"""Time that a worker that seems dead has to answer before its job is given to another."""

STOP_SECONDS: Final = 5.0
"""Time that work has to end when the server stops."""


class SaqJobQueue:
    """Hands out jobs to the processes that share a Redis.

    Args:
        workers: jobs that this process does at once.
        heartbeat: seconds without a sign of life after which another process does a job.
    """

    def __init__(self, url: str, workers: int, heartbeat: float) -> None:
        self._url = url
        self._workers = workers
        self._heartbeat = heartbeat
        self._queue: _Queue | None = None
        self._worker: _Worker | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, work: Work, room: Room) -> None:
        logging.getLogger("saq").setLevel(logging.CRITICAL)  # an outage would be a traceback every second

        async def make_video(context: Any, job_id: str, sharer: str = "") -> None:
            beat = asyncio.create_task(self._beat(context["job"]))
            try:
                await work(job_id)
            finally:
                await cancel(beat)

        self._queue = _Queue(connect(self._url), name=NAME)
        self._queue.turns = Turns(room)
        sweep = max(1, round(self._heartbeat / BEATS))
        timers: PartialTimersDict = {"sweep": sweep, "abort": 1, "schedule": 1, "worker_info": 10}
        self._worker = _Worker(
            self._queue,
            [(FUNCTION, make_video)],
            concurrency=self._workers,
            dequeue_timeout=DEQUEUE_SECONDS,
            cancellation_hard_deadline_s=STOP_SECONDS,
            timers=timers,
        )
        self._task = asyncio.create_task(self._worker.start())

    async def push(self, job: Job) -> None:
        assert self._queue is not None
        entry = SaqJob(
            FUNCTION,
            kwargs={"job_id": job.id, SHARER: job.sharer},
            key=job.id,
            timeout=0,
            heartbeat=max(1, round(self._heartbeat)),
            retries=MANY,
            ttl=KEPT_SECONDS,
        )
        async with answering():
            await self._queue.enqueue(entry)
        self._queue.pushed.set()

    async def stop(self) -> None:
        if self._queue is None or self._worker is None or self._task is None:
            return
        await self._worker.stop()
        await cancel(self._task)
        with suppress(RedisError, OSError):  # it may be away
            await self._queue.disconnect()

    async def _beat(self, job: SaqJob) -> None:
        while True:
            await asyncio.sleep(self._heartbeat / BEATS)
            try:
                await job.update()
            except (RedisError, OSError):
                await asyncio.sleep(PAUSE_SECONDS)


class _Queue(RedisQueue):
    """saq's queue, whose sharers take turns. It waits while Redis is away, and does not listen for ends.

    Attributes:
        turns: of this process; each has its own.
        pushed: set when this process has pushed a job.
    """

    listen = Queue.listen

    def __init__(self, redis: Redis, name: str) -> None:
        super().__init__(redis, name)
        self.turns = Turns()
        self.pushed = asyncio.Event()
        self._taken: dict[asyncio.Task[Any] | None, str] = {}
        self._take_script = redis.register_script(TAKE)

    async def sweep(self, lock: int = 60, abort: float = ABORT_SECONDS) -> list[str]:
        return await super().sweep(lock, abort)

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> SaqJob | None:
        """Wait for a job whose sharer's turn it is; it counts as being done until `release`."""
        try:
            until = time.monotonic() + timeout
            while (job := await self._take()) is None and time.monotonic() < until:
                self.pushed.clear()
                await set_within(self.pushed, LOOK_SECONDS)
            return job
        except (RedisError, OSError):
            await asyncio.sleep(PAUSE_SECONDS)
            return None

    def release(self) -> None:
        """Note that what this task took is no longer being done."""
        sharer = self._taken.pop(asyncio.current_task(), None)
        if sharer is not None:
            self.turns.done(sharer)

    async def _take(self) -> SaqJob | None:
        """Take the job whose sharer's turn it is, if there is one that has room."""
        while (queued := await self._by_sharer()) and (sharer := self.turns.take(queued)) is not None:
            self._taken[asyncio.current_task()] = sharer
            first = queued[sharer]
            taken = await self._take_script([self._queued, self._active], [first])
            job = await self._get_job_by_id(first) if taken else None
            if job is not None:
                return job
            self.release()  # another worker was first
        return None

    async def _by_sharer(self) -> dict[str, bytes]:
        """The first job of each sharer, in their order."""
        ids = await cast(Awaitable[list[bytes]], self.redis.lrange(self._queued, 0, -1))
        found: dict[str, bytes] = {}
        for job_id, entry in zip(ids, await self.redis.mget(ids) if ids else [], strict=True):
            job = self.deserialize(entry)
            found.setdefault("" if job is None else (job.kwargs or {}).get(SHARER, ""), job_id)
        return found


class _Worker(Worker[Any]):
    """saq's worker inside a server, whose signals are the server's."""

    SIGNALS = []  # noqa: RUF012 - saq's name

    queue: _Queue

    async def process(self) -> bool:
        try:
            return await super().process()
        except (RedisError, OSError):  # what was done is swept up later
            await asyncio.sleep(PAUSE_SECONDS)
            return False
        finally:
            self.queue.release()
