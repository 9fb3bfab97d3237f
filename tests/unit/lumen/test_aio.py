"""Asynchronous streams: in order, bounded, ended with their reader."""

import asyncio

import pytest

from lumen import aio
from lumen.aio import Stream, flat_map_ahead, once, read_ahead, set_within, with_timeout
from lumen.errors import InvalidInputException
from tests.support.pieces import pieces


async def test_streams_are_read_ahead_in_order_and_within_bounds() -> None:
    """Items come in the order of their streams though later ones are done first; no more run than allowed."""
    running = most = 0
    second = asyncio.Event()

    async def letters(item: str) -> Stream[str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if item == "a":
            await second.wait()
        yield item
        yield item.upper()
        running -= 1
        second.set()

    streams = flat_map_ahead(letters, pieces(*"abcde"), 2, 4)
    assert "".join([letter async for letter in streams]) == "aAbBcCdDeE"
    assert most == 2


async def test_an_item_comes_before_its_stream_and_the_next_piece_are_there() -> None:
    """The first frames of a window are passed on while the window is drawn and nothing more is spoken."""
    never = asyncio.Event()

    async def speech() -> Stream[str]:
        yield "a"
        await never.wait()

    async def drawn(item: str) -> Stream[str]:
        yield item
        await never.wait()

    frames = flat_map_ahead(drawn, speech(), 2, 4)
    assert await asyncio.wait_for(anext(frames), 5) == "a"
    await frames.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stream_ahead_waits_when_its_queue_is_full() -> None:
    """Items that are not taken are not made: a stream is at most ``limit``, and one in hand, ahead."""
    made: list[str] = []

    async def many(item: str) -> Stream[str]:
        for number in range(100):
            made.append(f"{item}{number}")
            yield made[-1]

    streams = flat_map_ahead(many, pieces("a", "b", "c"), 2, 3)
    assert await anext(streams) == "a0"
    for _ in range(50):  # turns of the loop, in which they could run on
        await asyncio.sleep(0)
    assert len(made) <= 1 + 2 * (3 + 1)
    assert not any(name.startswith("c") for name in made)
    await streams.aclose()


async def test_an_error_of_the_source_ends_streams_that_still_run() -> None:
    """Speech that is refused while its first window is drawn is refused at once, not after the drawing."""
    closed = False

    async def broken() -> Stream[str]:
        yield "a"
        raise InvalidInputException("too long")

    async def endless(item: str) -> Stream[str]:
        nonlocal closed
        try:
            yield item
            await asyncio.Event().wait()
        finally:
            closed = True

    streams = flat_map_ahead(endless, broken(), 2, 4)

    async def read_out() -> None:
        async for _ in streams:
            pass

    with pytest.raises(InvalidInputException, match="too long"):
        await asyncio.wait_for(read_out(), 5)
    assert closed


async def test_an_error_of_a_stream_comes_after_what_came_before_it() -> None:
    """A window that fails ends the clip where it is, though a later one is done."""

    async def failing(item: str) -> Stream[str]:
        yield item
        if item == "b":
            raise InvalidInputException("not b")

    streams = flat_map_ahead(failing, pieces(*"abc"), 2, 4)
    assert [await anext(streams), await anext(streams)] == ["a", "b"]
    with pytest.raises(InvalidInputException, match="not b"):
        await anext(streams)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_streams_stop_their_work_when_the_reader_leaves() -> None:
    """Closing a stream cancels the tasks behind it and closes its source."""
    closed: list[str] = []

    async def source() -> Stream[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.append("source")

    async def work(item: str) -> Stream[str]:
        try:
            yield item
            await asyncio.Event().wait()
        finally:
            closed.append("work")

    results = flat_map_ahead(work, read_ahead(source(), 2), 3, 4)
    assert await anext(results) == "x"
    await results.aclose()
    assert "source" in closed
    assert "work" in closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_passes_through_the_streams() -> None:
    """An error of the source is raised where its stream is read, after the items before it."""

    async def broken() -> Stream[str]:
        yield "a"
        raise InvalidInputException("no more")

    results = read_ahead(broken(), 4)
    assert await anext(results) == "a"
    with pytest.raises(InvalidInputException, match="no more"):
        await anext(results)


async def test_one() -> None:
    """A finished text is a stream of one piece."""
    assert [item async for item in once("x")] == ["x"]


async def test_a_cancellation_at_the_last_moment_counts() -> None:
    """A client that leaves just when its chunk was taken stops the work all the same."""
    taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await with_timeout(10, taken)
        await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    taken.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_a_time_limit() -> None:
    """Work that takes too long is given up."""
    with pytest.raises(TimeoutError):
        await with_timeout(0.01, asyncio.sleep(10))


async def test_a_cancellation_that_is_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that loses one, as `asyncio.wait_for` of Python 3.11 may, ends all the same."""
    monkeypatch.setattr(aio, "CANCEL_AGAIN_SECONDS", 0.01)
    lost = 0

    async def goes_on() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    task = asyncio.create_task(goes_on())
    await asyncio.sleep(0)
    await asyncio.wait_for(aio.cancel(task), 10)
    assert task.cancelled()


async def test_an_event_is_waited_for() -> None:
    """Until it is set, or the time is over; without a time until it is set."""
    event = asyncio.Event()
    assert not await set_within(event, 0.01)
    asyncio.get_running_loop().call_soon(event.set)
    assert await set_within(event, None)
