"""Contract of what keeps the records of jobs, and the bounds that it keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lumen.errors import BusyException, ServiceUnavailableException
from orchestrator.jobs.changes import Changes
from orchestrator.jobs.job import Job
from orchestrator.schemas.videos import Status

TELL_SECONDS: Final = 30.0
"""Time that whoever ended a job has to tell its observers; then it may be told of by others."""


@dataclass(frozen=True)
class Bounds:
    """Bounds on jobs.

    Attributes:
        queued: jobs that wait, in all.
        share: jobs of one owner that wait.
        kept: records of jobs that ended; the oldest ones give way.
    """

    queued: int
    share: int
    kept: int

    def check(self, queued: int, own: int) -> None:
        """Refuse one more where ``queued`` wait, ``own`` of them of the same owner.

        Raises:
            ServiceUnavailableException: the queue is full.
            BusyException: the owner's share of it is.
        """
        if queued >= self.queued:
            raise ServiceUnavailableException(
                f"{queued} jobs are waiting, which is all that may; try again in a moment."
            )
        if own >= self.share:
            raise BusyException(
                f"{own} of your jobs are waiting, which is your share of the queue; "
                "try again when one has begun."
            )


@dataclass(frozen=True)
class Page:
    """Which jobs of a list to tell.

    Attributes:
        limit: so many.
        after: id of the last one of the page before.
        ascending: the oldest first.
        status: only those of this one.
    """

    limit: int
    after: str | None = None
    ascending: bool = False
    status: Status | None = None


class JobStore(Protocol):
    """Keeps the records of jobs. Each change counts up the job's revision.

    Every method raises ServiceUnavailableException or StorageException where the records cannot be reached.
    """

    changes: Changes

    async def check_room(self, sharer: str) -> None:
        """Refuse where one more job of ``sharer`` would have no room. Raises as `Bounds.check`."""
        ...

    async def add(self, job: Job) -> None:
        """Keep a new job. Raises as `Bounds.check`."""
        ...

    async def get(self, job_id: str) -> Job | None:
        """The job of this id; None where there is none (any more)."""
        ...

    async def page(self, owner: str, page: Page) -> tuple[Sequence[Job], bool]:
        """Jobs of ``owner``, and whether more follow."""
        ...

    async def ahead(self, job: Job) -> int:
        """Count the waiting jobs whose turn comes before that of ``job``, which waits too."""
        ...

    async def update(self, job: Job) -> bool:
        """Keep a job's state; False where it has ended or was removed meanwhile."""
        ...

    async def end(self, job: Job) -> bool:
        """Keep a job's state, which is its last, and that it is untold; False where it had ended before."""
        ...

    async def untold(self, now: float) -> Sequence[Job]:
        """Jobs that ended, or were last taken from here, `TELL_SECONDS` ago, and are untold.

        They are the caller's to tell of for as long.
        """
        ...

    async def told(self, job: Job) -> None:
        """Keep that the observers of a job that has ended were told."""
        ...

    async def remove(self, job: Job) -> None:
        """Forget a job."""
        ...

    async def sweep(self, now: float) -> Sequence[str]:
        """Forget the jobs that have expired or are too many, and return their ids."""
        ...

    async def unfinished(self) -> Sequence[Job]:
        """The jobs that have not ended, the oldest first."""
        ...
