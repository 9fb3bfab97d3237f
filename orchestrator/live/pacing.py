"""Pacing: what is made is sent at once until it is far enough ahead of what is played."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

AHEAD_SECONDS: Final = 4.0
"""Seconds that what is sent may be ahead of what is played."""

ACK_SECONDS: Final = 1.0
"""Seconds for which an acknowledged play position is taken to go on by itself."""

END_TOLERANCE: Final = 0.15
"""Seconds before the end at which a player may stop: what remains is less than a fragment and a frame."""

Clock = Callable[[], float]


class Pacer:
    """Play position of one response, and how long its sender has to wait.

    Without acknowledgements the response plays from when it was first sent, or when the one before it ends.

    Attributes:
        underruns: times that all was played when more was sent.

    Args:
        begins: time on ``clock`` before which it cannot be played. ahead: see ``AHEAD_SECONDS``.
    """

    def __init__(
        self, begins: float = 0.0, ahead: float = AHEAD_SECONDS, clock: Clock = time.monotonic
    ) -> None:
        self._begins = begins
        self._ahead = ahead
        self._clock = clock
        self._started: float | None = None
        self._acknowledged: tuple[float, float] | None = None
        self._sent = 0.0
        self.underruns = 0
        self._changed = asyncio.Event()

    @property
    def sent(self) -> float:
        """Seconds of the response that are sent."""
        return self._sent

    @property
    def position(self) -> float:
        """Seconds of the response that are played."""
        now = self._clock()
        if self._acknowledged is not None:
            position, at = self._acknowledged
            return min(position + min(now - at, ACK_SECONDS), self._sent)
        return 0.0 if self._started is None else min(max(0.0, now - self._started), self._sent)

    @property
    def ends(self) -> float:
        """Time on the clock at which all that is sent will be played."""
        return self._clock() + self._sent - self.position

    def note_sent(self, until: float) -> None:
        """Note that the response is sent up to ``until`` seconds."""
        if self._started is None:
            self._started = max(self._clock(), self._begins)
        elif until > self._sent and self.position >= self._sent:
            self.underruns += 1
        self._sent = max(self._sent, until)

    def acknowledge(self, position: float) -> None:
        """Note that the client has played up to ``position`` seconds; it never goes back."""
        known = self._acknowledged[0] if self._acknowledged is not None else 0.0
        self._acknowledged = max(known, min(position, self._sent)), self._clock()
        self._changed.set()

    async def room(self) -> None:
        """Wait until more may be sent."""
        await self._reach(lambda: self._sent - self._ahead)

    async def played(self) -> None:
        """Wait until all that is sent is played."""
        await self._reach(lambda: self._sent - (END_TOLERANCE if self._acknowledged else 0.0))

    async def _reach(self, target: Callable[[], float]) -> None:
        while (missing := target() - self.position) > 0:
            self._changed.clear()
            moving = self._acknowledged is None or self._clock() - self._acknowledged[1] < ACK_SECONDS
            waiting = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait([waiting], timeout=max(missing, 0.001) if moving else None)
            finally:
                waiting.cancel()
