"""Turns at the vocoder."""

import asyncio
import random
from itertools import pairwise

import pytest

from lumen.families.xtts.priority_limiter import FIRST, PriorityLimiter

MAX_WAIT = 60.0
"""Longer than any test."""


async def test_the_lowest_rank_is_next() -> None:
    """Whoever has had least goes first, and among equals who came first."""
    limiter, order = PriorityLimiter(1, MAX_WAIT), list[int]()

    async def one(name: int, rank: int) -> None:
        async with limiter.place(rank):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(name, rank) for name, rank in enumerate([9, 40, 0, 6, 0])))
    assert order == [0, 2, 4, 3, 1]


@pytest.mark.parametrize("places", [1, 3])
async def test_no_place_is_lost(places: int) -> None:
    """However turns are cancelled, no more than ``places`` are in, and all places come back."""
    limiter, inside, most, chance = PriorityLimiter(places, MAX_WAIT), 0, 0, random.Random(places)

    async def one() -> None:
        nonlocal inside, most
        async with limiter.place(chance.randrange(5)):
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1

    tasks = [asyncio.create_task(one()) for _ in range(300)]
    while not all(task.done() for task in tasks):
        chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert (inside, most) == (0, places)
    for _ in range(places):
        await asyncio.wait_for(limiter.place(0).__aenter__(), 5)


async def test_places_stay_free_for_those_who_are_expected() -> None:
    """A place stays free for the expected speech; later windows wait, those that are inside stay."""
    limiter, order = PriorityLimiter(1, MAX_WAIT), list[str]()

    async def one(name: str, rank: float) -> None:
        async with limiter.place(rank):
            limiter.stop_expecting(name)
            order.append(name)
            await asyncio.sleep(0)

    for name in ("first", "second"):
        limiter.expect(name)
    others = [asyncio.create_task(one(f"heard {rank:g}", rank)) for rank in (2.0, 1.0)]
    await asyncio.sleep(0)
    assert order == []
    await one("second", FIRST)
    await asyncio.sleep(0)
    assert order == ["second"]
    limiter.stop_expecting("first")
    await asyncio.gather(*others)
    assert order == ["second", "heard 1", "heard 2"]


async def test_others_go_on_slowly_while_somebody_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later windows come in one by one while a speech is expected, each after a ``max_wait`` alone.

    The loop's clock is the test's, so that a busy machine changes nothing.
    """
    max_wait, now, loop = 0.02, 0.0, asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: now)
    limiter, times = PriorityLimiter(2, max_wait), [now]
    limiter.expect("nobody")

    async def one() -> None:
        async with limiter.place(1.0):
            times.append(loop.time())

    waiting = [asyncio.ensure_future(one()) for _ in range(3)]
    while len(times) <= len(waiting) and now < 10 * max_wait:
        for _ in range(5):
            await asyncio.sleep(0)
        now += max_wait / 20
    assert all(each.done() for each in waiting)
    assert all(later - earlier > 0.9 * max_wait for earlier, later in pairwise(times))


async def test_who_is_overdue_takes_the_next_free_place() -> None:
    """A window whose ``max_wait`` ran out while no place was free takes the next one."""
    limiter = PriorityLimiter(1, 0.01)
    limiter.expect("somebody")
    async with limiter.place(FIRST):
        other = asyncio.create_task(limiter.place(1.0).__aenter__())
        await asyncio.sleep(0.05)
        assert not other.done()
    await asyncio.sleep(0)
    assert other.done()


async def test_who_has_had_nothing_comes_in_at_once() -> None:
    """Though all places are taken; the others come when all of these are out."""
    limiter = PriorityLimiter(1, MAX_WAIT)
    async with limiter.place(1.0), limiter.place(FIRST):
        other = asyncio.create_task(limiter.place(2.0).__aenter__())
        async with limiter.place(FIRST):
            await asyncio.sleep(0)
        assert not other.done()
    await asyncio.wait_for(other, 5)


async def test_patience_does_not_outlive_who_had_it() -> None:
    """A cancelled window leaves its ``max_wait`` to nobody: the next one waits as long as alone."""
    max_wait = 0.02
    limiter, loop = PriorityLimiter(1, max_wait), asyncio.get_running_loop()
    limiter.expect("nobody")
    async with limiter.place(FIRST):
        gone = asyncio.create_task(limiter.place(1.0).__aenter__())
        await asyncio.sleep(2 * max_wait)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
    start = loop.time()
    await asyncio.wait_for(limiter.place(1.0).__aenter__(), 5)
    assert loop.time() - start > 0.9 * max_wait
