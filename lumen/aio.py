"""Async streams: run ahead within a bound, keep order, stop everything when the reader leaves."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeAlias, TypeVar

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


async def map_ahead(function: Callable[[T], Awaitable[R]], source: Stream[T], ahead: int) -> Stream[R]:
    """Yield ``function`` of each item in order, with up to ``ahead`` of them under way at once."""
    pending: deque[asyncio.Task[R]] = deque()
    try:
        async with aclosing(source):
            async for item in source:
                pending.append(asyncio.create_task(_call(function, item)))
                if len(pending) >= ahead:
                    yield await pending.popleft()
        while pending:
            yield await pending.popleft()
    finally:
        await cancel(*pending)


async def tee(source: Stream[T], *taps: Callable[[T], None]) -> Stream[T]:
    """Yield what ``source`` yields after each of ``taps`` has seen it."""
    async with aclosing(source):
        async for item in source:
            for tap in taps:
                tap(item)
            yield item


async def one(item: T) -> Stream[T]:
    yield item


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


async def race(alarm: Awaitable[NoReturn], work: Awaitable[T]) -> T:
    """The result of ``work``; or what ``alarm`` raises, when that is first. Neither goes on after this."""
    done, warned = asyncio.ensure_future(work), asyncio.ensure_future(alarm)
    try:
        await asyncio.wait([done, warned], return_when=asyncio.FIRST_COMPLETED)
        return done.result() if done.done() else warned.result()
    finally:
        await cancel(done, warned)


async def cancel(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks and wait until they are gone; what they raise was reported elsewhere."""
    for task in tasks:
        task.cancel()
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


async def _call(function: Callable[[T], Awaitable[R]], item: T) -> R:
    return await function(item)
