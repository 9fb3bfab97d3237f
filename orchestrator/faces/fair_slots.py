"""Slots in which windows of frames are drawn, shared fairly by clients whose clips are being made.

Start-time fair queueing (Goyal, Vin and Cheng, 1996): a client's clock counts the seconds that were drawn for
it since it last had no clip, times its clips; of the clients that wait, the one that is behind is next. The
last free slot is kept for a moment for a client whose next window is about to come (anticipatory scheduling:
Iyer and Druschel, 2001), so that a short clip does not draw beside the long ones of another.
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

PATIENCE: Final = 0.25
"""Seconds for which a slot is kept for a client that has fewer clips than the one that waits."""


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
        slots: windows drawn at once, besides one more of a client that alone has a single clip; 0 for one per
            two cores.
        now: seconds of a clock.
    """

    def __init__(self, slots: int, now: Callable[[], float] = time.monotonic) -> None:
        self._free = slots or max(1, (os.cpu_count() or 1) // 2)
        self._now = now
        self._clients: dict[str, _Client] = {}
        self._waiting: list[_Waiting] = []
        self._later: asyncio.TimerHandle | None = None

    @property
    def clips_of_client(self) -> int:
        """Clips of the client whose request is being served, as `clip` counts them."""
        found = self._clients.get(client.get())
        return 0 if found is None else found.clips

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
        while ready := self._ready(now):
            chosen = min(ready, key=lambda waiting: self._rank(waiting, now))
            if self._free <= self._least_free(chosen.client):
                return
            self._waiting.remove(chosen)
            self._free -= 1
            chosen.client.drawing += 1
            chosen.granted.set_result(None)

    def _ready(self, now: float) -> list[_Waiting]:
        """List the windows that wait and need not leave the last slot to another client.

        The others are looked at again when the slot is kept no longer.
        """
        if self._free != 1:
            return self._waiting
        kept = [self._kept_for_another(waiting, now) for waiting in self._waiting]
        if any(seconds > 0 for seconds in kept):
            if self._later is not None:
                self._later.cancel()
            soonest = min(seconds for seconds in kept if seconds > 0)
            self._later = asyncio.get_running_loop().call_later(soonest, self._grant)
        return [waiting for waiting, seconds in zip(self._waiting, kept, strict=True) if seconds <= 0]

    def _least_free(self, found: _Client) -> float:
        """Number of free slots over which the client that is next gets one: below 0 beyond all slots."""
        if not found.drawing and (found.clock, found.clips) <= min(
            (each.clock, each.clips) for each in self._clients.values()
        ):
            return -math.inf
        others = (each for each in self._clients.values() if each is not found)
        return -1 if found.clips == 1 and all(each.clips > 1 for each in others) else 0

    def _kept_for_another(self, chosen: _Waiting, now: float) -> float:
        """Seconds for which the last free slot is kept: a window of a client with fewer clips may come."""
        found = chosen.client
        if self._overdue(chosen, now):
            return 0.0
        lighter = (each for each in self._clients.values() if each.clips < found.clips and not each.drawing)
        return max((each.last + PATIENCE - now for each in lighter if each.clock <= found.clock), default=0.0)

    def _rank(self, waiting: _Waiting, now: float) -> tuple[bool, float, int, int, float]:
        found, overdue = waiting.client, self._overdue(waiting, now)
        clock = waiting.since if overdue else found.clock
        return (not overdue, clock, found.clips, found.drawing, waiting.since)

    def _overdue(self, waiting: _Waiting, now: float) -> bool:
        return now - max(waiting.since, waiting.client.last) > LONGEST_WAIT

    def _least(self) -> float:
        """Clock of the client that is behind all others."""
        return min((each.clock for each in self._clients.values()), default=0.0)
