"""Slots in which windows of frames are drawn, shared fairly by clients whose clips are being made.

Least attained service first: of the clients that wait, the one for which least was drawn lately is next.
"""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from orchestrator.request_context import NOBODY, client

HALF_LIFE: Final = 30.0
"""Seconds after which half of what was drawn for a client is forgotten."""

LONGEST_WAIT: Final = 5.0
"""Seconds without a slot after which a client gets one whatever it had: nobody's clips stand still."""

KNOWN_CLIENTS: Final = 1000
"""Clients whose service is remembered."""


@dataclass(frozen=True)
class _Waiting:
    """A window that waits: its client, since when, and the future that grants it a slot."""

    client: str
    since: float
    granted: "asyncio.Future[None]"


class FairSlots:
    """Grants slots to clients whose clips are being made.

    A client's service counts once for each of its clips, so that one clip does not wait behind another
    client's eight. The client for which least was drawn has a slot at any time, free or not.

    Args:
        slots: windows drawn at once, besides one more of a client that is alone; 0 for one per two cores.
        clock: seconds.
    """

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = slots or max(1, (os.cpu_count() or 1) // 2)
        self._clock = clock
        self._clips: Counter[str] = Counter()
        self._drawing: Counter[str] = Counter()
        self._served: dict[str, tuple[float, float]] = {}
        self._waiting: list[_Waiting] = []

    @contextmanager
    def clip(self) -> Iterator[bool]:
        """Count a clip of the client whose request is being served; tells whether its windows need slots.

        A conversation's need none: its frames are wanted at their time.
        """
        name = client.get()
        if name == NOBODY:
            yield False
            return
        self._clips[name] += 1
        try:
            yield True
        finally:
            self._clips[name] -= 1
            if not self._clips[name]:
                del self._clips[name]
            self._grant()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot for a window of the client whose request is being served."""
        name = client.get()
        await self._wait(name)
        start = self._clock()
        try:
            yield
        finally:
            self._serve(name, self._clock() - start)
            self._give_back(name)

    async def _wait(self, name: str) -> None:
        waiting = _Waiting(name, self._clock(), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._grant()
        try:
            await waiting.granted
        except asyncio.CancelledError:
            if not waiting.granted.cancelled():  # the slot was granted at the same time
                self._give_back(name)
            raise

    def _give_back(self, name: str) -> None:
        self._drawing[name] -= 1
        if not self._drawing[name]:
            del self._drawing[name]
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        """Grant what slots there are to those that wait, in the order of their ranks."""
        self._waiting = [waiting for waiting in self._waiting if not waiting.granted.done()]
        while self._waiting:
            chosen = min(self._waiting, key=self._rank)
            if self._free <= self._least_free(chosen.client):
                return
            self._waiting.remove(chosen)
            self._free -= 1
            self._drawing[chosen.client] += 1
            chosen.granted.set_result(None)

    def _least_free(self, name: str) -> float:
        """Number of free slots over which the client that is next gets one: below 0 beyond all slots."""
        if not self._drawing[name] and self._service(name) <= min(map(self._service, self._clips)):
            return -math.inf
        return -1 if set(self._clips) <= {name} else 0

    def _rank(self, waiting: _Waiting) -> tuple[bool, float, int, float]:
        name = waiting.client
        last = self._served.get(name, (0.0, -math.inf))[1]
        overdue = self._clock() - max(waiting.since, last) > LONGEST_WAIT
        service = waiting.since if overdue else self._service(name)
        return (not overdue, service, self._drawing[name], waiting.since)

    def _service(self, name: str) -> float:
        return self._recent(name) * self._clips[name]

    def _serve(self, name: str, seconds: float) -> None:
        self._served[name] = (self._recent(name) + seconds, self._clock())
        if len(self._served) > KNOWN_CLIENTS:
            del self._served[min(self._served, key=self._recent)]

    def _recent(self, name: str) -> float:
        """Seconds of slots that a client had, the older the less they count."""
        seconds, when = self._served.get(name, (0.0, self._clock()))
        return float(seconds * 0.5 ** ((self._clock() - when) / HALF_LIFE))
