"""Contract of what hands jobs to those who do them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

Work: TypeAlias = Callable[[str], Awaitable[None]]
"""Does the job of an id, to its end; cancelled, it leaves the job to be done again."""


class JobQueue(Protocol):
    """Hands out each job at least once, the oldest first."""

    async def start(self, work: Work) -> None:
        """Have jobs done by ``work`` from now on."""
        ...

    async def push(self, job_id: str) -> None:
        """Put a job at the end; nothing happens where it is in the queue."""
        ...

    async def stop(self) -> None:
        """Cancel what is being done here, and do nothing more."""
        ...


async def push_all(queue: JobQueue, job_ids: Sequence[str]) -> None:
    for job_id in job_ids:
        await queue.push(job_id)
