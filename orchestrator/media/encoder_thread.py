"""A thread per clip for the blocking work of encoding, which must not hold up the event loop."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from contextvars import copy_context
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class EncoderThread:
    """Opens, fills and closes files in order, in one thread.

    On exit the files are finished, or removed when an exception is on its way. Cancelling a call
    does not interrupt what the thread is doing; the files are closed after it. A cancelled exit
    ends when the files are closed: whoever removes them then, removes them for good.

    Args:
        niceness: of the thread and of those that encoders start from it.
    """

    def __init__(self, niceness: int = 0) -> None:
        self._thread = ThreadPoolExecutor(1, "encoder", _give_way, (niceness,))
        self._files = ExitStack()

    async def __aenter__(self) -> "EncoderThread":
        return self

    async def open(self, file: AbstractContextManager[T]) -> T:
        """Enter ``file`` in the thread; it is left when this object is."""
        return await self.run(self._files.enter_context, file)

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Do ``work(*args)`` after what was asked for before."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, copy_context().run, work, *args)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = asyncio.ensure_future(self.run(self._files.__exit__, kind, error, trace))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.gather(closing, return_exceptions=True)
            raise
        finally:
            self._thread.shutdown(wait=False)


def _give_way(niceness: int) -> None:
    """Add to the niceness of this thread alone: Linux has it apart from that of its process."""
    if niceness:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)
