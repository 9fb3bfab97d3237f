"""Slots in which windows of frames are drawn, shared fairly by clients whose clips are being made.

Start-time fair queueing (Goyal, Vin and Cheng, 1996): a client's clock counts the seconds that were drawn for
it since it last had no clip, times its clips; of the clients that wait, the one that is behind is next.
"""

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from orchestrator.request_context import NOBODY, client

LONGEST_WAIT: Final = 5.0
"""Seconds without a slot after which a client gets one whatever it had: nobody's clips stand still."""


@dataclass
class _Client:
    """A client with clips: how many, its clock, windows that are drawn now, and when one was done last."""

    clock: float
    last: float
    clips: int = 0
    drawing: int = 0


@dataclass(frozen=True)
class _Waiting:
    """A window that waits: its client, since when, and the future that grants it a slot."""

    client: _Client
    since: float
    granted: "asyncio.Future[None]"


class FairSlots:
    """Grants slots to clients whose clips are being made.

    Seconds count once for each of a client's clips, so that one clip does not wait behind another client's
    eight. The client whose clock is behind all others has a slot at any time, free or not.

    Args:
        slots: windows drawn at once, besides one more of a client that is alone; 0 for one per two cores.
        now: seconds of a clock.
    """

    def __init__(self, slots: int, now: Callable[[], float] = time.monotonic) -> None:
        self._free = slots or max(1, (os.cpu_count() or 1) // 2)
        self._now = now
        self._clients: dict[str, _Client] = {}
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
        if name not in self._clients:
            self._clients[name] = _Client(self._least(), self._now())
        self._clients[name].clips += 1
        try:
            yield True
        finally:
            self._clients[name].clips -= 1
            if not self._clients[name].clips:
                del self._clients[name]
            self._grant()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot for a window of a clip that is counted."""
        drawn_for = self._clients[client.get()]
        await self._wait(drawn_for)
        start = self._now()
        try:
            yield
        finally:
            drawn_for.last = self._now()
            drawn_for.clock += (drawn_for.last - start) * drawn_for.clips
            self._give_back(drawn_for)

    async def _wait(self, drawn_for: _Client) -> None:
        waiting = _Waiting(drawn_for, self._now(), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._grant()
        try:
            await waiting.granted
        except asyncio.CancelledError:
            if not waiting.granted.cancelled():  # the slot was granted at the same time
                self._give_back(drawn_for)
            raise

    def _give_back(self, drawn_for: _Client) -> None:
        drawn_for.drawing -= 1
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        """Grant what slots there are to those that wait, in the order of their ranks."""
        now = self._now()
        self._waiting = [waiting for waiting in self._waiting if not waiting.granted.done()]
        while self._waiting:
            chosen = min(self._waiting, key=lambda waiting: self._rank(waiting, now))
            if self._free <= self._least_free(chosen.client):
                return
            self._waiting.remove(chosen)
            self._free -= 1
            chosen.client.drawing += 1
            chosen.granted.set_result(None)

    def _least_free(self, found: _Client) -> float:
        """Number of free slots over which the client that is next gets one: below 0 beyond all slots."""
        if not found.drawing and found.clock <= self._least():
            return -math.inf
        return -1 if len(self._clients) == 1 else 0

    def _rank(self, waiting: _Waiting, now: float) -> tuple[bool, float, int, float]:
        found = waiting.client
        overdue = now - max(waiting.since, found.last) > LONGEST_WAIT
        return (not overdue, waiting.since if overdue else found.clock, found.drawing, waiting.since)

    def _least(self) -> float:
        """Clock of the client that is behind all others."""
        return min((each.clock for each in self._clients.values()), default=0.0)
