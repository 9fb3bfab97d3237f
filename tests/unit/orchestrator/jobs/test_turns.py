"""Sharers of the queue take turns: many jobs of one hold up another's first by one job a worker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from orchestrator.jobs.embedded import EmbeddedQueue
from orchestrator.jobs.queue import JobQueue
from orchestrator.jobs.saq_queue import SaqJobQueue
from orchestrator.jobs.turns import Turns, jobs_before
from tests.support.job_tools import new_job
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

WORKERS = 2


@pytest.fixture(params=["embedded", "redis"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[JobQueue]:
    """Each of the queues, which is stopped at the end."""
    found: JobQueue = EmbeddedQueue(WORKERS)
    if request.param == "redis":
        redis: RedisServer = request.getfixturevalue("redis")
        found = SaqJobQueue(redis.url, WORKERS, heartbeat=5.0)
    yield found
    await found.stop()


class Done:
    """Work that waits for ``go``, and notes whose jobs were begun, and how many of each at once."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.owners: dict[str, str] = {}
        self.begun: list[str] = []
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.ended = 0

    async def work(self, job_id: str) -> None:
        owner = self.owners[job_id]
        self.begun.append(owner)
        self.now[owner] += 1
        self.most[owner] = max(self.most[owner], self.now[owner])
        await self.go.wait()
        self.now[owner] -= 1
        self.ended += 1

    async def push(self, queue: JobQueue, *owners: str) -> None:
        for owner in owners:
            made = new_job(owner=owner)
            self.owners[made.id] = owner
            await queue.push(made)


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)


async def test_many_jobs_of_one(queue: JobQueue) -> None:
    """Behind a hundred jobs of one, another's first is begun after at most one more job of each worker."""
    done = Done()
    await queue.start(done.work, lambda sharer: None)
    await done.push(queue, *["ada"] * 100)
    await until(lambda: len(done.begun) == WORKERS)
    await done.push(queue, "bob", "carol", "bob")
    done.go.set()
    await until(lambda: done.ended == 103)
    others = [index for index, owner in enumerate(done.begun) if owner != "ada"]
    assert others[0] <= 2 * WORKERS
    assert others[-1] <= 4 * WORKERS
    assert Counter(done.begun) == {"ada": 100, "bob": 2, "carol": 1}


async def test_one_without_room_holds_up_nobody(queue: JobQueue) -> None:
    """Where a sharer may have one job at once, its others wait, and the other worker does other jobs."""
    done = Done()
    await queue.start(done.work, lambda sharer: 1 if sharer == "ada" else None)
    await done.push(queue, "ada", "ada", "ada", "bob")
    await until(lambda: sorted(done.begun) == ["ada", "bob"])
    done.go.set()
    await until(lambda: done.ended == 4)
    assert done.most["ada"] == 1


def test_places_in_the_queue_are_those_of_the_turns() -> None:
    """What is told of a job's place is when its turn comes."""
    waiting = ["ada", "ada", "bob", "ada", "carol", "bob"]
    told = [jobs_before(waiting, index) for index in range(len(waiting))]
    turns, left, taken = Turns(), list(enumerate(waiting)), list[int]()
    while left:
        sharer = turns.take([name for _, name in left])
        found = next(entry for entry in left if entry[1] == sharer)
        left.remove(found)
        taken.append(found[0])
    assert [taken.index(index) for index in range(len(waiting))] == told
