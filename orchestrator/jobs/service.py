"""Jobs of an app: taken in, told of, cancelled and removed."""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from lumen.aio import Stream, cancel, set_within
from lumen.contracts import MAX_SEED
from lumen.errors import ForbiddenException, LumenException, NotFoundException
from orchestrator.generation.clips import ClipBody, clip_order
from orchestrator.generation.tools import Tools
from orchestrator.jobs.job import Job, new_job_id
from orchestrator.jobs.queue import JobQueue, push_all
from orchestrator.jobs.runner import CANCELLED, JobRunner, Observer, Rules
from orchestrator.jobs.store import JobStore, Page
from orchestrator.jobs.uploads import FolderUploads
from orchestrator.messages import excerpt
from orchestrator.request_context import client, may_change, may_see, owner, request_id, scopes
from orchestrator.schemas.body import Body
from orchestrator.schemas.generation import FullRequest
from orchestrator.schemas.videos import MODEL, JobError

log = logging.getLogger("lumen")

SWEEP_SECONDS: Final = 60.0
"""Interval in which expired jobs are forgotten, and lost ones put into the queue again."""

ABANDONED_SECONDS: Final = 3600.0
"""Age of uploads without a job after which none will be made of them."""

BEAT_SECONDS: Final = 15.0
"""Interval in which a listener hears something, also when nothing changes."""


BACKLOG_SECONDS: Final = 5.0
"""Interval in which the jobs that wait are counted."""


@dataclass(frozen=True)
class Backlog:
    """Jobs that wait: how many, and since when the oldest of them does, in seconds since 1970."""

    waiting: int = 0
    since: float | None = None

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest job that waits."""
        return 0.0 if self.since is None else max(0.0, time.time() - self.since)


class Backend(Protocol):
    """Store and queue of the jobs, opened and closed together."""

    @property
    def alone(self) -> bool:
        """Whether no other process has the same jobs."""
        ...

    @property
    def store(self) -> JobStore: ...

    @property
    def queue(self) -> JobQueue: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Asked:
    """Words of a client besides the body, to be told again.

    Attributes:
        size: width and height.
        seconds: length.
        warnings: about what is read and not used.
    """

    size: str | None = None
    seconds: str | None = None
    warnings: Sequence[str] = field(default=())


class Jobs:
    """The jobs of an app.

    Args:
        use: what clips are made with.

    Attributes:
        on_finished: are told of each job that ended, at least once: by the process that ended it, or where
            that died before it had told them all, by another one.
        backlog: the jobs of all processes that wait, as they were counted last.
    """

    def __init__(self, use: Tools, backend: Backend, rules: Rules) -> None:
        self.on_finished: list[Observer] = []
        self.backlog = Backlog()
        self._use = use
        self._backend = backend
        self._store = backend.store
        self._queue = backend.queue
        self._uploads = FolderUploads(use.settings.jobs_path)
        self._runner = JobRunner(use, self._store, self._uploads, rules, self.on_finished)
        self._upkeep: list[asyncio.Task[None]] = []
        self._open = False
        self._listening = False

    async def start(self) -> None:
        """Take up the jobs that were left, and begin to do them.

        Where that cannot be, the app goes on without jobs, and says so to whoever asks for one.
        """
        try:
            await self._backend.open()
            if self._backend.alone:
                await self._keep_uploads(await self._store.unfinished(), 0.0)
            await self._queue.start(self._runner.run, self._runner.room)
        except LumenException as error:
            log.warning("There are no jobs: %s", error.message)
            return
        self._open = self._listening = True
        # The backlog is a metric: where nobody is served those, nothing is counted.
        works = [(self._keep_up, SWEEP_SECONDS)]
        if self._use.settings.metrics_port is not None:
            works.append((self._count, BACKLOG_SECONDS))
        self._upkeep = [asyncio.create_task(self._repeat(work, pause)) for work, pause in works]

    def end_events(self) -> None:
        """End what listens, before the server waits for its connections; no other one begins."""
        self._listening = False
        self._store.changes.tell_all()

    async def stop(self) -> None:
        """Put back what is being done, and end what listens."""
        self.end_events()
        if not self._open:
            return
        self._open = False
        await cancel(*self._upkeep)
        await self._queue.stop()
        await self._backend.close()

    async def check_room(self) -> None:
        """Refuse a request whose job would find no room, before its body is read.

        Raises:
            ServiceUnavailableException, BusyException: the queue is full, or the owner's share of it.
        """
        await self._store.check_room(owner.get() or client.get())

    async def submit(self, body: ClipBody, asked: Asked) -> Job:
        """Take in what ``body`` asks for. What can be refused is refused here.

        Raises:
            LumenException: the request cannot be served, or there is no room.
        """
        await self.check_room()
        job = _job(body, asked)
        order = await clip_order(_with_fields(body, job.fields), self._use, job.id)
        side = order.job.crop_options.size
        job = job.model_copy(update={"size": asked.size or f"{side}x{side}"})
        await self._uploads.save(job.id, body.files)
        try:
            await self._store.add(job)
            await self._queue.push(job)
        except BaseException:
            await self._forget(job)
            raise
        log.info("Job %s: taken in", job.id)
        return job

    async def find(self, job_id: str) -> Job:
        """The job of this id, if it is the asker's, or everyone's, or an admin asks.

        Raises:
            NotFoundException: there is none, or it is somebody else's.
        """
        job = await self._store.get(job_id)
        if job is None or not may_see(job.owner):
            raise NotFoundException(f"There is no video {excerpt(job_id)!r}; GET /v1/videos lists yours.")
        return job

    async def page(self, whose: str, page: Page) -> tuple[Sequence[Job], bool]:
        """The jobs of an owner, and whether more follow."""
        return await self._store.page(whose, page)

    async def position(self, job: Job) -> int | None:
        """Count the jobs that come before ``job``, while it is queued."""
        return await self._store.ahead(job) if job.queued else None

    async def watch(self, job: Job, seen: int) -> Stream[Job | None]:
        """Yield the job whenever it has changed since revision ``seen``, to its end; None now and then."""
        with self._store.changes.listening(job.id) as changed:
            while self._listening:
                changed.clear()
                known = await self._store.get(job.id)
                if known is None:
                    return
                if known.revision != seen:
                    seen = known.revision
                    yield known
                else:
                    yield None
                if known.ended:
                    return
                await set_within(changed, BEAT_SECONDS)

    async def delete(self, job: Job) -> bool:
        """Cancel a job that is being made, or remove any other with its files; whether it is gone.

        Raises:
            ForbiddenException: it belongs to everyone, so only an admin does that.
        """
        if not may_change(job.owner):
            raise ForbiddenException("The video belongs to everyone; a key with the scope admin removes it.")
        error = JobError(code=CANCELLED, message="It was cancelled by its owner.")
        cancelled = not job.ended and await self._runner.end(job, status="failed", error=error)
        if cancelled and not job.queued:
            return False
        if job.state.untold:
            await self._runner.tell(job)
        await self._store.remove(job)
        await asyncio.to_thread(self._runner.remove_files, job)
        return True

    async def _forget(self, job: Job) -> None:
        await self._uploads.remove(job.id)
        try:
            await self._store.remove(job)
        except LumenException:
            log.warning("The job %s may be left in the store; its client was told that it failed", job.id)

    async def _repeat(self, work: Callable[[], Awaitable[None]], pause: float) -> None:
        """Do a piece of upkeep again and again, until the jobs are stopped.

        A client of Redis that is cancelled while it connects may say that it failed, so that is not enough.
        """
        while self._open:
            try:
                await work()
            except LumenException as error:
                log.warning("The upkeep of jobs has to wait: %s", error.message)
            if self._open:
                await asyncio.sleep(pause)

    async def _count(self) -> None:
        """Count the jobs that wait."""
        begun = [job.created_at for job in await self._store.unfinished() if job.queued]
        self.backlog = Backlog(len(begun), min(begun, default=None))

    async def _keep_up(self) -> None:
        """Forget what has expired, and do what a process that was killed left undone."""
        for job in await self._store.untold(time.time()):
            await self._runner.tell(job)
        await self._store.sweep(time.time())
        unfinished = await self._store.unfinished()
        await push_all(self._queue, unfinished)
        await self._keep_uploads(unfinished, ABANDONED_SECONDS)

    async def _keep_uploads(self, jobs: Sequence[Job], age: float) -> None:
        """Remove the uploads of others than ``jobs`` that are older than ``age`` seconds."""
        await asyncio.to_thread(self._uploads.keep_only, [job.id for job in jobs], age)


def _job(body: ClipBody, asked: Asked) -> Job:
    fields: dict[str, Any] = body.fields.model_dump(mode="json", exclude_unset=True)
    fields.update(background=False)
    if fields.get("seed") is None:
        fields["seed"] = secrets.randbelow(MAX_SEED + 1)  # another attempt makes the same
    return Job(
        id=new_job_id(),
        kind="full" if isinstance(body.fields, FullRequest) else "video",
        owner=owner.get(),
        scopes=scopes.get(),
        client=client.get(),
        request_id=request_id.get(),
        fields=fields,
        files={name: len(uploads) for name, uploads in body.files.items()},
        created_at=time.time(),
        prompt=fields.get("prompt"),
        model=MODEL,
        seconds=asked.seconds,
        size="",
        warnings=tuple(asked.warnings),
    )


def _with_fields(body: ClipBody, fields: dict[str, Any]) -> ClipBody:
    """The body as the job keeps it."""
    model, context = type(body.fields), {"max_text_length": len(json.dumps(fields))}
    checked: Any = model.model_validate_json(json.dumps(fields), context=context)
    return Body(checked, body.files)
