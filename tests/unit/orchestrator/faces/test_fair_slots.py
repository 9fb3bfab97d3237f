"""Fair slots: clips of many clients get on alike, however many one of them has."""

import asyncio
from contextvars import Context, copy_context

from orchestrator.faces.fair_slots import FairSlots
from orchestrator.request_context import client


def of(name: str) -> Context:
    context = copy_context()
    context.run(client.set, name)
    return context


async def draw(slots: FairSlots, windows: int, drawn: list[str]) -> int:
    """A clip that asks for two windows at once, as faces do; drawing one yields to others."""

    async def window() -> None:
        async with slots.slot():
            await asyncio.sleep(0)
            drawn.append(client.get())

    with slots.clip():
        for _ in range(windows // 2):
            await asyncio.gather(window(), window())
    return windows


def clip(slots: FairSlots, name: str, windows: int, drawn: list[str]) -> "asyncio.Task[int]":
    return of(name).run(asyncio.ensure_future, draw(slots, windows, drawn))


class Clock:
    """A clock that goes on by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


async def test_many_clips_of_one_client_do_not_slow_another() -> None:
    """Against eight clips of one client, another's clip is done while they have had as much as it."""
    drawn: list[str] = []
    slots = FairSlots(1, Clock())
    many = [clip(slots, "many", 100, drawn) for _ in range(8)]
    one = clip(slots, "one", 100, drawn)
    assert await one == 100
    assert drawn.count("many") < 150
    assert await asyncio.gather(*many) == [100] * 8


async def test_a_newcomer_waits_for_few_windows() -> None:
    """A short clip beside long ones begins when the windows that have their slots are drawn."""
    drawn: list[str] = []
    slots = FairSlots(1, Clock())
    many = [clip(slots, "many", 1000, drawn) for _ in range(4)]
    other = clip(slots, "other", 1000, drawn)
    for _ in range(200):
        await asyncio.sleep(0)
    before = len(drawn)
    await clip(slots, "new", 2, drawn)
    assert drawn[before:].index("new") <= 2
    for task in (*many, other):
        task.cancel()
    await asyncio.gather(*many, other, return_exceptions=True)


async def test_one_client_alone_is_not_held_up() -> None:
    """All windows of the only client are drawn at once: there is nobody to make room for."""
    go, begun = asyncio.Event(), list[int]()
    slots = FairSlots(1)

    async def waiting(number: int) -> None:
        with slots.clip():
            async with slots.slot():
                begun.append(number)
                await go.wait()

    tasks = [of("one").run(asyncio.ensure_future, waiting(number)) for number in range(5)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(begun) == 5
    go.set()
    await asyncio.gather(*tasks)


async def test_a_clip_that_is_cancelled_gives_its_slot_back() -> None:
    """Clips that end early, in a slot or before one, leave the others theirs."""
    drawn: list[str] = []
    slots = FairSlots(1, Clock())
    many = [clip(slots, "many", 1000, drawn) for _ in range(3)]
    one = clip(slots, "one", 50, drawn)
    for _ in range(20):
        await asyncio.sleep(0)
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)
    assert await one == 50
    assert await clip(slots, "later", 10, drawn) == 10
