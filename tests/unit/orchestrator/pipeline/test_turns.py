"""Turns: clips of many clients get on alike, however many one of them has."""

import asyncio
from contextlib import aclosing
from contextvars import Context, copy_context

from lumen.aio import Stream
from orchestrator.pipeline.turns import Turns
from orchestrator.request_context import client


async def frames(n: int, drawn: list[str], name: str) -> Stream[int]:
    """A clip whose drawing yields to others at each frame."""
    for i in range(n):
        await asyncio.sleep(0)
        drawn.append(name)
        yield i


def of(name: str) -> Context:
    context = copy_context()
    context.run(client.set, name)
    return context


async def exhaust(stream: Stream[int]) -> list[int]:
    async with aclosing(stream):
        return [item async for item in stream]


def clip(turns: Turns, name: str, n: int, drawn: list[str]) -> "asyncio.Task[list[int]]":
    work = exhaust(turns.share(frames(n, drawn, name)))
    return of(name).run(asyncio.ensure_future, work)  # type: ignore[arg-type,return-value]


class Clock:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


async def test_many_clips_of_one_client_do_not_slow_another() -> None:
    """Against eight clips of one client, another's clip is done while they have had a part of theirs."""
    drawn: list[str] = []
    turns = Turns(1, Clock())
    many = [clip(turns, "many", 100, drawn) for _ in range(8)]
    one = clip(turns, "one", 100, drawn)
    assert await one == list(range(100))
    assert drawn.count("many") < 200
    assert all(len(items) == 100 for items in await asyncio.gather(*many))


async def test_one_client_alone_is_not_held_up() -> None:
    """All clips of the only client go on at once: there is nobody to make room for."""
    begun: list[int] = []
    go = asyncio.Event()

    async def waiting(i: int) -> Stream[int]:
        begun.append(i)
        await go.wait()
        yield i

    turns = Turns(1)
    work = [of("one").run(asyncio.ensure_future, exhaust(turns.share(waiting(i)))) for i in range(5)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(begun) == 5
    go.set()
    assert await asyncio.gather(*work) == [[i] for i in range(5)]  # type: ignore[comparison-overlap]


async def test_a_clip_that_is_cancelled_gives_its_turn_back() -> None:
    """Clips that end early, in a turn or before one, leave the others theirs."""
    drawn: list[str] = []
    turns = Turns(1, Clock())
    many = [clip(turns, "many", 1000, drawn) for _ in range(3)]
    one = clip(turns, "one", 50, drawn)
    for _ in range(20):
        await asyncio.sleep(0)
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)
    assert len(await one) == 50
    assert len(await clip(turns, "later", 10, drawn)) == 10
