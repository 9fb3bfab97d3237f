"""Contract of what hands jobs to those who do them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from orchestrator.jobs.job import Job
from orchestrator.jobs.turns import Room

Work: TypeAlias = Callable[[str], Awaitable[None]]
"""Does the job of an id, to its end; cancelled, it leaves the job to be done again."""


class JobQueue(Protocol):
    """Hands out each job at least once: the sharers take turns, and of each the oldest job comes first."""

    async def start(self, work: Work, room: Room) -> None:
        """Have jobs done by ``work`` from now on, of each sharer as many at once as it has room for."""
        ...

    async def push(self, job: Job) -> None:
        """Put a job at the end of its sharer's; nothing happens where it is in the queue."""
        ...

    async def stop(self) -> None:
        """Cancel what is being done here, and do nothing more."""
        ...


async def push_all(queue: JobQueue, jobs: Sequence[Job]) -> None:
    for job in jobs:
        await queue.push(job)
