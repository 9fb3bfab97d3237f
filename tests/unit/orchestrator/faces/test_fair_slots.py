"""Fair slots: clips of many clients get on alike, however many one of them has."""

import asyncio
from contextlib import ExitStack
from contextvars import Context, copy_context

from orchestrator.faces.fair_slots import PATIENCE, FairSlots
from orchestrator.request_context import client

TICKS = 8
"""Rounds of the event loop that drawing a window takes."""


def of(name: str) -> Context:
    context = copy_context()
    context.run(client.set, name)
    return context


async def draw(slots: FairSlots, windows: int, drawn: list[str]) -> int:
    """A clip that asks for two windows at once, as faces do; drawing one takes longer than asking."""

    ahead = asyncio.Semaphore(2)

    async def window() -> None:
        async with ahead, slots.slot():
            for _ in range(TICKS):
                await asyncio.sleep(0)
            drawn.append(client.get())

    with slots.clip():
        await asyncio.gather(*(window() for _ in range(windows)))
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
    for _ in range(200 * TICKS):
        await asyncio.sleep(0)
    before = len(drawn)
    await clip(slots, "new", 2, drawn)
    assert drawn[before:].index("new") <= 2
    for task in (*many, other):
        task.cancel()
    await asyncio.gather(*many, other, return_exceptions=True)


async def test_one_clip_gets_on_faster_than_each_of_eight() -> None:
    """A client's service counts once for each of its clips: most slots go to who has one alone."""
    drawn: list[str] = []
    slots = FairSlots(1, Clock())
    many = [clip(slots, "many", 200, drawn) for _ in range(8)]
    await clip(slots, "one", 200, drawn)
    assert drawn.count("many") < 50
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)


async def begun_at_once(slots: FairSlots, *names: str) -> list[str]:
    """Clients of the windows that are begun while none is finished, in order."""
    go, begun = asyncio.Event(), list[str]()

    async def waiting() -> None:
        with slots.clip():
            async with slots.slot():
                begun.append(client.get())
                await go.wait()

    tasks = []
    for name in names:
        tasks.append(of(name).run(asyncio.ensure_future, waiting()))
        for _ in range(10):
            await asyncio.sleep(0)
    found = list(begun)
    go.set()
    await asyncio.gather(*tasks)
    return found


async def test_a_clip_alone_has_a_slot_more() -> None:
    """The next window of the only clip is asked for while the last one is drawn; no flood of them is.

    Another client's many clips that wait change nothing.
    """
    slots, go, drawing = FairSlots(1), asyncio.Event(), list[str]()

    async def window() -> None:
        async with slots.slot():
            drawing.append(client.get())
            await go.wait()

    with ExitStack() as clips:
        for name in ("one", "many", "many"):
            of(name).run(clips.enter_context, slots.clip())
        windows = [of(name).run(asyncio.ensure_future, window()) for name in ("one", "many") * 3]
        await settle()
        assert drawing == ["one"] * 2
        go.set()
        await asyncio.gather(*windows)


async def test_clips_of_one_client_have_no_slot_more() -> None:
    """They fill each other's gaps, and whoever comes waits for fewer windows."""
    assert await begun_at_once(FairSlots(1), *["one"] * 5) == ["one"]


async def test_a_newcomer_does_not_wait_for_windows_that_are_drawn() -> None:
    """A client for which nothing was drawn lately begins at once, whatever others have under way."""
    assert await begun_at_once(FairSlots(1), *["many"] * 4, "new", "new") == ["many", "new"]


async def test_a_clip_that_is_cancelled_gives_its_slot_back() -> None:
    """Clips that end early, in a slot or before one, leave the others theirs."""
    drawn: list[str] = []
    slots = FairSlots(1, Clock())
    many = [clip(slots, "many", 1000, drawn) for _ in range(3)]
    one = clip(slots, "one", 50, drawn)
    for _ in range(20 * TICKS):
        await asyncio.sleep(0)
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)
    assert await one == 50
    assert await clip(slots, "later", 10, drawn) == 10


class SetClock:
    """A clock that goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def begun(slots: FairSlots, windows: list[str], name: str) -> None:
    async with slots.slot():
        windows.append(name)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_last_slot_is_kept_for_whoever_has_fewer_clips() -> None:
    """While a clip's speech is being made, another client's clips begin no window, for a moment."""
    clock, windows = SetClock(), list[str]()
    slots = FairSlots(1, clock)
    with ExitStack() as clips:
        of("few").run(clips.enter_context, slots.clip())
        for _ in range(2):
            of("many").run(clips.enter_context, slots.clip())
        waiting = of("many").run(asyncio.ensure_future, begun(slots, windows, "many"))
        await settle()
        assert not windows
        await of("few").run(asyncio.ensure_future, begun(slots, windows, "few"))
        assert windows == ["few"]
        clock.now += PATIENCE
        await of("few").run(asyncio.ensure_future, begun(slots, windows, "few"))
        clock.now += 2 * PATIENCE  # of its next window nothing is heard
        await asyncio.wait_for(waiting, 10)
    assert windows == ["few", "few", "many"]


async def test_slots_are_not_kept_where_others_are_free() -> None:
    windows = list[str]()
    slots = FairSlots(2, SetClock())
    with ExitStack() as clips:
        of("few").run(clips.enter_context, slots.clip())
        for _ in range(2):
            of("many").run(clips.enter_context, slots.clip())
        await asyncio.wait_for(of("many").run(asyncio.ensure_future, begun(slots, windows, "many")), 10)
