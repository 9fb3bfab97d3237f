"""Does a job: waits for a place, makes the clip, tells how far it is, and writes how it ended."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from sys import maxsize
from typing import Any, Final

from lumen.aio import cancel
from lumen.errors import BusyException, LumenException, NotFoundException, ServiceUnavailableException
from orchestrator.core.openai_errors import error_code
from orchestrator.generation.clips import ClipBody, make_clip
from orchestrator.generation.tools import Tools
from orchestrator.jobs.estimate import estimate, later
from orchestrator.jobs.job import Job
from orchestrator.jobs.store import JobStore
from orchestrator.jobs.uploads import Uploads
from orchestrator.pipeline.progress import Progress
from orchestrator.request_context import client, client_of_key, owner, request_id, scopes
from orchestrator.request_context import job as running
from orchestrator.schemas.body import Body
from orchestrator.schemas.generation import FullRequest, VideoRequest
from orchestrator.schemas.videos import JobError
from orchestrator.store.files import remove

log = logging.getLogger("lumen")

JOBS: Final = "jobs"
"""Name under which jobs take places for clips."""

TICK_SECONDS: Final = 0.25
"""Interval in which the progress of a job is told."""

PAUSES: Final = (1.0, 2.0, 5.0, 15.0)
"""Seconds before another attempt, after one that failed by the server's fault; the last one stays."""

SERVERS_FAULT: Final = 500
"""HTTP status from which on an error is the server's fault."""

STORAGE_PAUSE: Final = 1.0
STORAGE_SECONDS: Final = 600.0
"""Seconds for which it is tried to write how a job ended, and pause between two trials."""

CANCELLED: Final = "cancelled"
INTERRUPTED: Final = "interrupted"
INTERNAL: Final = "internal_server"
"""Codes of errors that are no exception's."""

Observer = Callable[[Job], Awaitable[None]]
"""Is told of a job that ended; what it raises means that it is to be told again, later."""


@dataclass(frozen=True)
class Rules:
    """Rules of the work.

    Attributes:
        places: for jobs at once.
        attempts: at a job whose process dies each time, or in which a stage fails each time.
        patience: seconds for which a job is tried again while Triton or the writer is not there.
        kept: seconds for which a job that has ended is remembered.
    """

    places: int
    attempts: int
    patience: float
    kept: float


class JobRunner:
    """Does jobs.

    Args:
        use: what clips are made with.
        observers: are told of each job that ended, at least once.
    """

    def __init__(
        self, use: Tools, store: JobStore, uploads: Uploads, rules: Rules, observers: Sequence[Observer]
    ) -> None:
        self._use = use
        self._store = store
        self._uploads = uploads
        self._rules = rules
        self._observers = observers

    async def run(self, job_id: str) -> None:
        """Do a job to its end. Cancelled, it leaves the job to be done again."""
        deadline: float | None = None
        while (waits := await self._unfinished(job_id)) is not None:
            limit = self._use.clips_at_once(waits.owner)
            async with self._use.pipeline.clips.awaited(JOBS, self._rules.places, waits.client, limit):
                job = await self._unfinished(job_id)
                last = deadline is not None and time.monotonic() > deadline
                pause = None if job is None else await self._attempt(job, last)
            if pause is None:
                return
            deadline = deadline or time.monotonic() + self._rules.patience
            await asyncio.sleep(pause)

    def room(self, sharer: str) -> int | None:
        """Jobs of ``sharer`` that may be made at once now: what its key may have, less what waits for it."""
        limit = self._use.clips_at_once(sharer)
        return None if limit is None else limit - self._use.pipeline.clips.taken_by(client_of_key(sharer))

    async def end(self, job: Job, **state: Any) -> bool:
        """End a job so, once: False where it had ended before."""
        now = time.time()
        job = job.in_state(completed_at=now, expires_at=now + self._rules.kept, remaining=None, **state)
        if not await self._store.end(job):
            return False
        await self._uploads.remove(job.id)
        log.info("Job %s: %s", job.id, job.state.error.message if job.state.error else "completed")
        await self.tell(job)
        return True

    async def tell(self, job: Job) -> None:
        """Tell the observers of a job's end; where one fails, or this process does, it stays untold."""
        heard = True
        for observer in self._observers:
            try:
                await observer(job)
            except LumenException as error:
                log.error("The end of job %s is told again later: %s", job.id, error.message)
                heard = False
            except Exception:
                log.exception("The end of job %s could not be told, which is tried again", job.id)
                heard = False
        if heard:
            try:
                await self._store.told(job)
            except LumenException as error:
                log.warning("The end of job %s may be told again: %s", job.id, error.message)

    def remove_files(self, job: Job) -> None:
        """Remove what a job made; blocks."""
        with suppress(NotFoundException):
            self._use.kept.remove(job.id)
        for path in self._use.outputs.files_of(job.id):
            remove(path)

    async def _unfinished(self, job_id: str) -> Job | None:
        job = await self._store.get(job_id)
        return None if job is None or job.ended else job

    async def _attempt(self, job: Job, last: bool) -> float | None:
        """Try to do a job; seconds until the next attempt, or None where it has ended.

        Args:
            last: there is no other attempt after this one.
        """
        interrupted = job.state.attempts - job.state.retries
        if interrupted >= self._rules.attempts:
            await self._fail(job, INTERRUPTED, f"It was begun {interrupted} times and never ended.")
            return None
        begun = job.in_state(
            status="in_progress",
            attempts=job.state.attempts + 1,
            started_at=job.state.started_at or time.time(),
        )
        if not await self._store.update(begun):
            return None
        progress, context = Progress(), copy_context()
        context.run(_enter, job)
        work = asyncio.create_task(self._make(job, progress), context=context)
        try:
            seen = await self._follow(begun, work, progress)
            return await self._finish(seen, work, last)
        except asyncio.CancelledError:
            await cancel(work)
            await self._put_back(job)
            raise

    async def _follow(self, job: Job, work: "asyncio.Task[dict[str, Any]]", progress: Progress) -> Job:
        """Tell how far ``work`` is until it is done, or cancel it when the job has ended otherwise."""
        start = time.monotonic()
        with self._store.changes.listening(job.id) as changed:
            while not work.done():
                changed.clear()
                if await self._ended_elsewhere(job):
                    await cancel(work)
                    break
                job = await self._tell(job, progress, time.monotonic() - start)
                changed.clear()
                waits = asyncio.create_task(changed.wait())
                await asyncio.wait([work, waits], timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                await cancel(waits)
        return job

    async def _ended_elsewhere(self, job: Job) -> bool:
        try:
            return await self._unfinished(job.id) is None
        except LumenException:
            return False  # the store is away; the work goes on

    async def _tell(self, job: Job, progress: Progress, elapsed: float) -> Job:
        found = estimate(progress, elapsed, writes=job.kind == "full")
        told = job.in_state(
            phase=later(job.state.phase, found.phase),
            progress=max(job.state.progress, found.progress),
            remaining=None if found.remaining is None else round(found.remaining, 1),
        )
        if (told.state.phase, told.state.progress) != (job.state.phase, job.state.progress):
            try:
                await self._store.update(told)
            except LumenException:
                log.debug("The progress of job %s is not written", job.id)
        return told

    async def _finish(self, job: Job, work: "asyncio.Task[dict[str, Any]]", last: bool) -> float | None:
        """Write how ``work`` ended; seconds until the next attempt where there is one."""
        if work.cancelled():
            await self._remove_useless_files(job)
            return None
        error = work.exception()
        if error is None:
            done = {"status": "completed", "phase": "encoding", "progress": 100, "result": work.result()}
            await self._surely_end(job, **done)
            return None
        if not last and self._may_pass(job, error):
            return await self._try_again(job, error)
        if isinstance(error, LumenException):
            await self._fail(job, error_code(type(error).__name__), error.message)
        else:
            log.error("Unhandled %s in job %s", type(error).__name__, job.id, exc_info=error)
            await self._fail(job, INTERNAL, "Something went wrong inside the server; its log says what.")
        return None

    def _may_pass(self, job: Job, error: BaseException) -> bool:
        """Whether another attempt may go better: the fault is the server's, and it may be mended by then.

        A Triton that dies in the middle of a clip looks like a stage that fails, and so like one that always
        will; so there is a bound on such attempts. What is the caller's fault stays so.
        """
        if _is_away(error):
            return True
        may = isinstance(error, LumenException) and error.status >= SERVERS_FAULT
        return may and job.state.failures + 1 < self._rules.attempts

    async def _try_again(self, job: Job, error: BaseException) -> float:
        """Note that another attempt follows; seconds until then."""
        state = job.state
        pause = PAUSES[min(state.retries, len(PAUSES) - 1)]
        log.warning("Job %s is tried again in %g s: %s", job.id, pause, error)
        failures = state.failures + (not _is_away(error))
        try:
            await self._store.update(job.in_state(retries=state.retries + 1, failures=failures))
        except LumenException:
            log.debug("A retry of job %s is not written", job.id)
        return pause

    async def _fail(self, job: Job, code: str, message: str) -> None:
        await self._surely_end(job, status="failed", error=JobError(code=code, message=message))
        await self._remove_useless_files(job)

    async def _surely_end(self, job: Job, **state: Any) -> None:
        """End a job, also when the store is away for a while; files that nobody will hear of are removed."""
        deadline = time.monotonic() + STORAGE_SECONDS
        while True:
            try:
                first = await self.end(job, **state)
                break
            except LumenException as error:
                log.error("The end of job %s cannot be written: %s", job.id, error.message)
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(STORAGE_PAUSE)
        if not first:
            await self._remove_useless_files(job)

    async def _remove_useless_files(self, job: Job) -> None:
        """Remove what was made of a job that was not completed: an earlier attempt may have left it."""
        known = await self._store.get(job.id)
        if known is None or known.state.status != "completed":
            try:
                await asyncio.to_thread(self.remove_files, job)
            except ServiceUnavailableException as error:
                log.warning("Files of job %s stay until they expire: %s", job.id, error.message)

    async def _put_back(self, job: Job) -> None:
        """Have a job that the server's end interrupts be done anew; that was no attempt of its own."""
        try:
            known = await self._unfinished(job.id) or job
            await self._store.update(known.in_state(status="queued", attempts=job.state.attempts))
        except LumenException:
            log.warning("The job %s is left as it is; another start does it again", job.id)

    async def _make(self, job: Job, progress: Progress) -> dict[str, Any]:
        await self._use.check_quota("video")
        log.info("Job %s begins", job.id)
        files = await self._uploads.load(job.id, job.files)
        made = await make_clip(_body(job, files), self._use, job.id, progress)
        return made.model_dump(mode="json", exclude_none=True)


def _body(job: Job, files: dict[str, list[bytes]]) -> ClipBody:
    """The body that was asked for; it was checked then."""
    text, context = json.dumps(job.fields), {"max_text_length": maxsize}
    if job.kind == "full":
        return Body(FullRequest.model_validate_json(text, context=context), files)
    return Body(VideoRequest.model_validate_json(text, context=context), files)


def _enter(job: Job) -> None:
    """Make the context that of the request that asked for the job."""
    request_id.set(job.request_id)
    running.set(job.id)
    client.set(job.client)
    owner.set(job.owner)
    scopes.set(job.scopes)


def _is_away(error: BaseException) -> bool:
    """Whether a part is not there, or has no room, for now."""
    return isinstance(error, ServiceUnavailableException | BusyException)
