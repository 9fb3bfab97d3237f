"""Jobs of one process: records as files in ``JOBS_PATH``, and a queue in memory."""

import asyncio
import fcntl
import logging
import os
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from lumen.aio import cancel, set_within
from lumen.errors import ServiceUnavailableException
from orchestrator.jobs.changes import Changes
from orchestrator.jobs.job import Job
from orchestrator.jobs.queue import Work
from orchestrator.jobs.store import TELL_SECONDS, Bounds, Page
from orchestrator.jobs.turns import Room, Turns, jobs_before
from orchestrator.store.files import disk_errors, remove, write_text
from orchestrator.store.owners import remove_ownerless

log = logging.getLogger("lumen")

SUFFIX: Final = ".json"

LOCK: Final = ".lock"

ROOM_SECONDS: Final = 0.25
"""Interval in which it is looked whether a sharer that had no room for a job has some."""


class FileJobStore:
    """Keeps each job in ``<id>.json``, and all of them in memory, where progress is counted.

    A job's file is written when it is added, begun, ended: that is all a restart has to know.

    Args:
        folder: of one process at a time, which holds a lock on it.
    """

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self.changes = Changes()
        self._folder = folder
        self._bounds = bounds
        self._jobs: dict[str, Job] = {}
        self._written: dict[str, asyncio.Lock] = {}
        self._telling: dict[str, float] = {}  # until when somebody tells of a job that has ended
        self._lock: int | None = None

    async def open(self) -> None:
        """Read the jobs.

        Raises:
            ServiceUnavailableException: another process has the folder.
            StorageException: it cannot be written.
        """
        jobs = await asyncio.to_thread(self._open)
        self._jobs = {job.id: job for job in sorted(jobs, key=_age)}

    async def close(self) -> None:
        """Let other processes have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def check_room(self, sharer: str) -> None:
        self._check_open()
        waiting = Counter(job.sharer for job in self._waiting())
        self._bounds.check(waiting.total(), waiting[sharer])

    async def add(self, job: Job) -> None:
        await self.check_room(job.sharer)
        self._jobs[job.id] = job
        try:
            await self._write(job.id)
        except BaseException:
            del self._jobs[job.id]
            raise

    async def get(self, job_id: str) -> Job | None:
        self._check_open()
        return self._jobs.get(job_id)

    async def page(self, owner: str, page: Page) -> tuple[Sequence[Job], bool]:
        self._check_open()
        jobs = [job for job in self._jobs.values() if job.owner == owner]
        if not page.ascending:
            jobs.reverse()
        if page.after is not None:
            ids = [job.id for job in jobs]
            jobs = jobs[ids.index(page.after) + 1 :] if page.after in ids else []
        found = [job for job in jobs if page.status in (None, job.state.status)]
        return found[: page.limit], len(found) > page.limit

    async def ahead(self, job: Job) -> int:
        waiting = self._waiting()
        ids = [each.id for each in waiting]
        return jobs_before([each.sharer for each in waiting], ids.index(job.id)) if job.id in ids else 0

    async def update(self, job: Job) -> bool:
        known = self._jobs.get(job.id)
        if known is None or known.ended:
            return False
        self._put(job, known)
        if job.state.attempts != known.state.attempts or job.state.status != known.state.status:
            await self._write(job.id)
        return True

    async def end(self, job: Job) -> bool:
        known = self._jobs.get(job.id)
        if known is None or known.ended:
            return False
        self._telling[job.id] = time.time() + TELL_SECONDS
        self._put(job.in_state(untold=True), known)
        await self._write(job.id)
        return True

    async def untold(self, now: float) -> Sequence[Job]:
        untold = [job for job in self._jobs.values() if job.state.untold]
        due = [job for job in untold if self._telling.get(job.id, now) <= now]
        self._telling.update({job.id: now + TELL_SECONDS for job in due})
        return due

    async def told(self, job: Job) -> None:
        self._telling.pop(job.id, None)
        if (known := self._jobs.get(job.id)) is not None:
            self._jobs[job.id] = known.in_state(untold=False)  # nothing that a client sees: no revision
            await self._write(job.id)

    async def remove(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        await self._write(job.id)
        self._written.pop(job.id, None)
        self._telling.pop(job.id, None)
        self.changes.tell(job.id)

    async def sweep(self, now: float) -> Sequence[str]:
        ended = [job for job in self._jobs.values() if job.ended]
        expired = [job for job in ended if job.state.expires_at is not None and job.state.expires_at <= now]
        gone = {job.id for job in expired}
        kept = [job for job in ended if job.id not in gone]
        too_many = kept[: max(0, len(kept) - self._bounds.kept)]
        for job in (*expired, *too_many):
            await self.remove(job)
        return [job.id for job in (*expired, *too_many)]

    async def unfinished(self) -> Sequence[Job]:
        return [job for job in self._jobs.values() if not job.ended]

    def _waiting(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.queued]

    def _put(self, job: Job, known: Job) -> None:
        self._jobs[job.id] = job.model_copy(update={"revision": known.revision + 1})
        self.changes.tell(job.id)

    async def _write(self, job_id: str) -> None:
        """Write a job's file as the job is now, or remove it with the job; one writer at a time."""
        async with self._written.setdefault(job_id, asyncio.Lock()):
            job, path = self._jobs.get(job_id), self._folder / f"{job_id}{SUFFIX}"
            if job is None:
                await asyncio.to_thread(remove, path)
            else:
                await asyncio.to_thread(write_text, path, job.model_dump_json())

    def _check_open(self) -> None:
        if self._lock is None:
            raise ServiceUnavailableException(
                f"The jobs in {self._folder} are another process's, or the folder cannot be written; "
                "set JOBS_PATH to another one, or JOBS_STORAGE to a Redis for all."
            )

    def _open(self) -> list[Job]:
        with disk_errors(self._folder, "jobs"):
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ServiceUnavailableException(f"The jobs in {self._folder} are another process's.") from None
        self._lock = lock
        remove_ownerless(self._folder)
        return [job for path in self._folder.glob(f"*{SUFFIX}") if (job := _read(path)) is not None]


class EmbeddedQueue:
    """Hands out jobs in this process.

    Args:
        workers: jobs that are done at once.
    """

    def __init__(self, workers: int) -> None:
        self._count = workers
        self._turns = Turns()
        self._waiting: dict[str, deque[str]] = {}
        self._known: set[str] = set()
        self._changed = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    async def start(self, work: Work, room: Room) -> None:
        self._turns, self._waiting, self._known = Turns(room), {}, set()
        self._changed = asyncio.Event()
        self._workers = [asyncio.create_task(self._serve(work)) for _ in range(self._count)]

    async def push(self, job: Job) -> None:
        if job.id not in self._known:
            self._known.add(job.id)
            self._waiting.setdefault(job.sharer, deque()).append(job.id)
            self._changed.set()

    async def stop(self) -> None:
        workers, self._workers = self._workers, []
        await cancel(*workers)

    async def _serve(self, work: Work) -> None:
        while True:
            sharer, job_id = await self._next()
            try:
                await work(job_id)
            except Exception:
                log.exception("The job %s cannot be done now; it is tried again later", job_id)
            finally:
                self._known.discard(job_id)
                self._turns.done(sharer)
                self._changed.set()

    async def _next(self) -> tuple[str, str]:
        """Wait for the next job; its sharer and its id."""
        while (sharer := self._turns.take(self._waiting)) is None:
            self._changed.clear()
            await set_within(self._changed, ROOM_SECONDS if self._waiting else None)
        jobs = self._waiting[sharer]
        job_id = jobs.popleft()
        if not jobs:
            del self._waiting[sharer]
        return sharer, job_id


def _age(job: Job) -> float:
    return job.created_at


def _read(path: Path) -> Job | None:
    try:
        return Job.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        log.warning("The job %s cannot be read, and is left alone: %s", path.name, error)
        return None


class EmbeddedJobs:
    """Jobs that one process keeps; see `service.Backend`."""

    alone: Final = True

    def __init__(self, folder: Path, bounds: Bounds, workers: int) -> None:
        self.store: Final = FileJobStore(folder, bounds)
        self.queue: Final = EmbeddedQueue(workers)

    async def open(self) -> None:
        await self.store.open()

    async def close(self) -> None:
        await self.store.close()
