"""Asynchronous streams: in order, bounded, ended with their reader."""

import asyncio

import pytest

from lumen.aio import Stream, map_ahead, once, read_ahead, with_timeout
from lumen.errors import InvalidInputException
from tests.support.pieces import pieces


async def test_map_ahead_keeps_order_and_its_bound() -> None:
    """Results come in order although later ones are done first; no more run at once than allowed."""
    running, most = 0, 0

    async def work(item: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02 if item == "a" else 0)
        running -= 1
        return item.upper()

    assert [result async for result in map_ahead(work, pieces(*"abcdef"), 2)] == list("ABCDEF")
    assert most == 2


async def test_streams_stop_their_work_when_the_reader_leaves() -> None:
    """Closing a stream cancels the tasks behind it and closes its source."""
    closed = cancelled = False

    async def source() -> Stream[str]:
        nonlocal closed
        try:
            while True:
                yield "x"
        finally:
            closed = True

    async def work(_: str) -> str:
        nonlocal cancelled
        try:
            return await asyncio.sleep(0 if not cancelled and not started else 60, "done")
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            started.append(1)

    started: list[int] = []
    results = map_ahead(work, read_ahead(source(), 2), 3)
    assert await anext(results) == "done"
    await results.aclose()
    assert closed
    assert cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_passes_through_the_streams() -> None:
    """What a source raises is raised where its stream is read, after what came before it."""

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
    """What takes too long is given up."""
    with pytest.raises(TimeoutError):
        await with_timeout(0.01, asyncio.sleep(10))
