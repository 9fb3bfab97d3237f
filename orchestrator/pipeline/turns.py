"""Turns at the machine: clips of several clients are drawn in turns, so that many of one do not slow others.

Least attained service first: of the clients that wait, the one for which least was done lately is next.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Final, TypeVar

from lumen.aio import Stream
from orchestrator.request_context import NOBODY, client

T = TypeVar("T")

HALF_LIFE: Final = 30.0
"""Seconds after which half of what was done for a client is forgotten."""

LONGEST_WAIT: Final = 5.0
"""Seconds without a turn after which a client gets one whatever it had: nobody's clips stand still."""


class Turns:
    """Gives turns while clips of more than one client are being made; one client alone needs none.

    Args:
        at_once: turns; 0 for one per two cores.
        clock: seconds.
    """

    def __init__(self, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = at_once or max(1, (os.cpu_count() or 1) // 2)
        self._clock = clock
        self._clips: Counter[str] = Counter()
        self._served: dict[str, tuple[float, float]] = {}
        self._waiting: list[tuple[str, float, asyncio.Future[None]]] = []

    async def share(self, source: Stream[T]) -> Stream[T]:
        """Yield what ``source`` yields; each item is made in a turn of the client whose request this is.

        The first one needs none: with it begins what runs ahead of its reader, as the models do.
        """
        name = client.get()
        with self._counted(name):
            async with aclosing(source):
                async for item in source:
                    yield item
                    break
                while True:
                    async with self._turn(name):
                        try:
                            item = await anext(source)
                        except StopAsyncIteration:
                            return
                    yield item

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        self._clips[name] += 1
        try:
            yield
        finally:
            self._clips[name] -= 1
            if not self._clips[name]:
                del self._clips[name]
            self._give()

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        """A turn; who holds it counts even where nobody else is there, so that the next one is known."""
        if name == NOBODY:  # a conversation, whose frames are wanted at their time
            yield
            return
        await self._wait(name)
        start = self._clock()
        try:
            yield
        finally:
            self._serve(name, self._clock() - start)
            self._free += 1
            self._give()

    async def _wait(self, name: str) -> None:
        if not self._shared() or (self._free > 0 and not self._waiting):
            self._free -= 1
            return
        given = asyncio.get_running_loop().create_future()
        waiting = (name, self._clock(), given)
        self._waiting.append(waiting)
        self._give()
        try:
            await given
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self._free += 1
                self._give()
            raise

    def _shared(self) -> bool:
        return len(self._clips) > 1

    def _give(self) -> None:
        """Give what turns there are to those that wait, all to all where one client is alone."""
        while self._waiting and (self._free > 0 or not self._shared()):
            chosen = min(self._waiting, key=self._rank)
            self._waiting.remove(chosen)
            self._free -= 1
            chosen[2].set_result(None)

    def _rank(self, waiting: tuple[str, float, "asyncio.Future[None]"]) -> tuple[bool, float, float]:
        name, since, _ = waiting
        overdue = self._clock() - max(since, self._served.get(name, (0.0, 0.0))[1]) > LONGEST_WAIT
        return (not overdue, since if overdue else self._recently(name), since)

    def _serve(self, name: str, seconds: float) -> None:
        self._served[name] = (self._recently(name) + seconds, self._clock())
        if len(self._served) > 1000:
            del self._served[min(self._served, key=self._recently)]

    def _recently(self, name: str) -> float:
        """Seconds of turns that a client had, the older the less they count."""
        seconds, when = self._served.get(name, (0.0, self._clock()))
        return float(seconds * 0.5 ** ((self._clock() - when) / HALF_LIFE))
