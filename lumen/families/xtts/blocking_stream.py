"""A blocking iterator, such as the answers of a called Triton model, read as an asynchronous one."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from typing import Any, Final, Generic, TypeVar

from lumen.aio import with_timeout
from lumen.errors import NotFoundException, ServiceUnavailableException, UpstreamTimeoutException

T = TypeVar("T")

CANCEL_SECONDS: Final = 0.5
"""Timeout of one attempt to cancel the source."""

CANCEL_ATTEMPTS: Final = 10
"""Number of attempts to cancel the source."""

SILENCE_SECONDS: Final = 2.0
"""Time without an item after which the source's liveness is checked."""

CHECK_SECONDS: Final = 10.0
"""Timeout of the liveness check."""

STOPPED: Final = "A called model has stopped in the middle; try again."

CHECKS_UNKNOWN: Final = 2
"""Checks in a row that do not know the stream, after which it is lost: its last items are here by then."""


class BlockingStream(Generic[T]):
    """Async iterator over the items of a blocking one.

    A thread reads the source to its end, also when nobody wants the items any more, in the context of who
    makes the stream: so its calls belong to the trace of the request. What the source raises is raised here.

    Args:
        source: called in the thread.
        cancel: makes the source end early.
        check: raises when the source will never say anything again, NotFoundException when it does not
            know of this stream. Triton's requests hang where the process of the called model dies, and
            the process that follows it knows nothing of them.
    """

    def __init__(
        self,
        source: Callable[[], Iterable[T]],
        cancel: Callable[[], Awaitable[None]],
        check: Callable[[], Awaitable[None]],
    ) -> None:
        self._cancel = cancel
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[T | BaseException | None] = asyncio.Queue()
        self._ended = False
        self._lost = False
        self._done = asyncio.Event()
        # A thread that hangs must not keep the process.
        threading.Thread(target=copy_context().run, args=(self._read, source), daemon=True).start()

    def __aiter__(self) -> "BlockingStream[T]":
        return self

    async def __anext__(self) -> T:
        if self._ended:
            raise StopAsyncIteration
        item = await self._next()
        if item is None or isinstance(item, BaseException):
            self._ended = True
            raise StopAsyncIteration if item is None else item
        return item

    async def aclose(self) -> None:
        """Cancel the source, unless it has ended or is lost, and wait for its end.

        Repeated until it ends: the first attempt may have overtaken the source's beginning.
        """
        for _ in range(CANCEL_ATTEMPTS):
            if self._done.is_set() or self._lost:
                return
            with contextlib.suppress(TimeoutError):
                await with_timeout(CANCEL_SECONDS, self._end())

    async def _end(self) -> None:
        await self._cancel()
        await self._done.wait()

    async def _next(self) -> T | BaseException | None:
        unknown = 0
        while True:
            with contextlib.suppress(TimeoutError):
                return await with_timeout(SILENCE_SECONDS, self._items.get())
            unknown = 0 if await self._is_known() else unknown + 1
            if unknown == CHECKS_UNKNOWN:
                self._lost = True
                raise ServiceUnavailableException(STOPPED)

    async def _is_known(self) -> bool:
        """Whether the source knows of this stream. Raises when it will never say anything again."""
        try:
            await with_timeout(CHECK_SECONDS, self._check())
        except NotFoundException:
            return False
        except TimeoutError as late:
            self._lost = True
            raise UpstreamTimeoutException(
                f"A called model said nothing for {SILENCE_SECONDS + CHECK_SECONDS:g} s; try again."
            ) from late
        except Exception:
            self._lost = True
            raise
        return True

    def _read(self, source: Callable[[], Iterable[T]]) -> None:
        last: BaseException | None = None
        try:
            for item in source():
                self._schedule(self._items.put_nowait, item)
        except BaseException as error:
            last = error
        self._schedule(self._end_with, last)

    def _end_with(self, last: BaseException | None) -> None:
        # In one callback: whoever has seen the end closes without a cancel.
        self._items.put_nowait(last)
        self._done.set()

    def _schedule(self, callback: Callable[[Any], None], item: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback, item)
