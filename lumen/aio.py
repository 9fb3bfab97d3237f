"""Async streams: run ahead within a bound, keep order, stop everything when the reader leaves."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

POLL_SECONDS: Final = 0.05
"""Interval between two looks at whether work is still wanted."""

CANCEL_AGAIN_SECONDS: Final = 5.0
"""Time after which a task that was cancelled and goes on is cancelled again; to tidy up takes less."""

T = TypeVar("T")
R = TypeVar("R")

Stream: TypeAlias = AsyncGenerator[T, None]
"""An async generator: whoever reads it closes it, and closing it stops the work behind it."""


async def read_ahead(source: Stream[T], limit: int) -> Stream[T]:
    """Yield what ``source`` yields while a task reads up to ``limit`` items ahead."""
    queue: asyncio.Queue[T | _End] = asyncio.Queue(limit)
    task = asyncio.create_task(_pump(source, queue))
    try:
        while not isinstance(item := await queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        await cancel(task)


async def flat_map_ahead(
    function: Callable[[T], Stream[R]], source: Stream[T], ahead: int, limit: int
) -> Stream[R]:
    """Yield what the streams ``function(item)`` yield, one stream after the other, each item as it arrives.

    Up to ``ahead`` streams are read at once: the one that is yielded from and those after it, each up to
    ``limit`` items ahead. What ``source`` raises ends all of them at once.
    """
    opened: asyncio.Queue[asyncio.Queue[R | _End] | None] = asyncio.Queue()
    pumps: deque[asyncio.Task[None]] = deque()
    places = asyncio.Semaphore(ahead)

    async def open_all() -> None:
        async with aclosing(source):
            await places.acquire()
            async for item in source:
                queue: asyncio.Queue[R | _End] = asyncio.Queue(limit)
                pumps.append(asyncio.create_task(_pump(function(item), queue)))
                opened.put_nowait(queue)
                await places.acquire()
        opened.put_nowait(None)

    opener = asyncio.create_task(open_all())
    try:
        while (queue := await _unless_failed(opener, opened.get())) is not None:
            while not isinstance(item := await _unless_failed(opener, queue.get()), _End):
                yield item
            if item.error is not None:
                raise item.error
            await pumps.popleft()
            places.release()
    finally:
        await cancel(opener, *pumps)


async def tee(source: Stream[T], *taps: Callable[[T], None]) -> Stream[T]:
    """Yield what ``source`` yields after each of ``taps`` has seen it."""
    async with aclosing(source):
        async for item in source:
            for tap in taps:
                tap(item)
            yield item


async def once(item: T) -> Stream[T]:
    """Yield ``item``."""
    yield item


async def exhaust(source: Stream[Any]) -> None:
    """Read ``source`` to its end."""
    async with aclosing(source):
        async for _ in source:
            pass


async def with_timeout(seconds: float, work: Awaitable[T]) -> T:
    """The result of ``work``, which is cancelled when it takes longer or when the caller is cancelled.

    (Before Python 3.12, ``asyncio.wait_for`` loses a cancellation that comes when the work is just done.)

    Raises:
        TimeoutError: it took longer.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        await cancel(task)


async def set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait until ``event`` is set, at most so many seconds; whether it is."""
    waits = asyncio.create_task(event.wait())
    try:
        await asyncio.wait([waits], timeout=seconds)
    finally:
        await cancel(waits)
    return event.is_set()


async def race(alarm: Awaitable[NoReturn], work: Awaitable[T]) -> T:
    """The result of ``work``; or what ``alarm`` raises, when that is first. Neither goes on after this."""
    done, warned = asyncio.ensure_future(work), asyncio.ensure_future(alarm)
    try:
        await asyncio.wait([done, warned], return_when=asyncio.FIRST_COMPLETED)
        return done.result() if done.done() else warned.result()
    finally:
        await cancel(done, warned)


async def cancel_when(
    stopped: Callable[[], bool], work: Awaitable[None], poll_seconds: float = POLL_SECONDS
) -> None:
    """Run ``work`` to its end, or cancel it soon after ``stopped()`` turns true; raises what it raises."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=poll_seconds))[0]:
            if stopped():
                return
        task.result()
    finally:
        await cancel(task)


async def cancel(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks and wait until they are gone; what they raise was reported elsewhere.

    One that goes on is cancelled again: ``asyncio.wait_for`` of Python 3.11, which redis-py uses, loses a
    cancellation that comes when its work is just done.
    """
    going = set(tasks)
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


class _End:
    """Marks the end of a stream and carries what ended it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


async def _pump(source: Stream[T], queue: "asyncio.Queue[T | _End]") -> None:
    end = _End()
    try:
        async with aclosing(source):
            async for item in source:
                await queue.put(item)
    except Exception as error:
        end = _End(error)
    await queue.put(end)


async def _unless_failed(background: "asyncio.Task[None]", work: Awaitable[T]) -> T:
    """The result of ``work``; or what ``background`` raises, when that fails first."""
    task = asyncio.ensure_future(work)
    try:
        if not background.done():
            await asyncio.wait([task, background], return_when=asyncio.FIRST_COMPLETED)
        if background.done() and (error := background.exception()) is not None:
            raise error
        return await task
    finally:
        await cancel(task)
