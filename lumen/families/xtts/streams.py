"""A model that calls a model: blocking streams made asynchronous, and work that ends when nobody waits."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, Generic, TypeVar

from lumen.errors import NotFoundException, ServiceUnavailableException, UpstreamTimeoutException

T = TypeVar("T")

CANCEL_SECONDS: Final = 0.5
CANCEL_ATTEMPTS: Final = 10
"""How long a source that is told to end has for it, and how often it is told."""

POLL_SECONDS: Final = 0.05
"""Between two looks at whether the client is still there."""

SILENCE_SECONDS: Final = 2.0
"""After so long without an item the source is asked whether it is alive."""

CHECK_SECONDS: Final = 10.0
"""That it then has to say so."""

STOPPED: Final = "A called model has stopped in the middle; try again."

CHECKS_UNKNOWN: Final = 2
"""In a row, after which a stream that its source does not know is lost: what it sent last is here by then."""


class ReadAhead(Generic[T]):
    """A blocking iterator as an async one.

    A thread reads it to its end, also when nobody wants the items any more. What the iterator raises is
    raised here.

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
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def __aiter__(self) -> "ReadAhead[T]":
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
        """Make the source end, unless it has or is lost, and wait for that.

        Asked again until it does: what it was asked first may have overtaken its own beginning.
        """
        for _ in range(CANCEL_ATTEMPTS):
            if self._done.is_set() or self._lost:
                return
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._end(), CANCEL_SECONDS)

    async def _end(self) -> None:
        await self._cancel()
        await self._done.wait()

    async def _next(self) -> T | BaseException | None:
        unknown = 0
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                return await _within(SILENCE_SECONDS, self._items.get())
            unknown = 0 if await self._is_known() else unknown + 1
            if unknown == CHECKS_UNKNOWN:
                self._lost = True
                raise ServiceUnavailableException(STOPPED)

    async def _is_known(self) -> bool:
        """Whether the source knows of this stream. Raises when it will never say anything again."""
        try:
            await _within(CHECK_SECONDS, self._check())
        except NotFoundException:
            return False
        except asyncio.TimeoutError as late:
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
                self._tell(self._items.put_nowait, item)
        except BaseException as error:
            last = error
        self._tell(self._end_with, last)

    def _end_with(self, last: BaseException | None) -> None:
        # In one callback: whoever has seen the end closes without a cancel.
        self._items.put_nowait(last)
        self._done.set()

    def _tell(self, news: Callable[[Any], None], item: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(news, item)


async def _within(seconds: float, work: Awaitable[T]) -> T:
    """What comes of it; whoever waits can be cancelled at any time.

    ``asyncio.wait_for`` forgets that before Python 3.12 when the result comes at the same moment.

    Raises:
        asyncio.TimeoutError: nothing came of it in time.
    """
    task = asyncio.ensure_future(work)
    try:
        if not (await asyncio.wait({task}, timeout=seconds))[0]:
            raise asyncio.TimeoutError
        return task.result()
    finally:
        task.cancel()


async def race(gone: Callable[[], bool], work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` to its end, or cancel it soon after ``gone()`` turns true. Raises what it raises."""
    task = asyncio.ensure_future(work)
    while not (await asyncio.wait([task], timeout=POLL_SECONDS))[0]:
        if gone():
            task.cancel()
            break
    with contextlib.suppress(asyncio.CancelledError):
        await task
