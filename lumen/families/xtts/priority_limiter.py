"""Turns at something that few can use at once: whoever has had least goes first, and is waited for."""

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

FIRST: Final = -math.inf
"""Rank of those that have had nothing."""


@dataclass(order=True)
class _Waiting:
    rank: float
    number: int
    called: "asyncio.Future[None]" = field(compare=False)


class PriorityLimiter:
    """Lets ``places`` in at once; it belongs to one event loop.

    Who has had nothing comes in at once, whoever is there: they may share what is done. What is in cannot be
    overtaken, so while one of them is expected the places stay free for him. Of the others one comes in
    when none has for as long as their ``max_wait``.

    Args:
        places: at least 1.
        patience: seconds.
    """

    def __init__(self, places: int, max_wait: float) -> None:
        self._free = places
        self._max_wait = max_wait
        self._numbers = itertools.count()
        self._waiting: list[_Waiting] = []
        self._expected: set[object] = set()
        self._clock: asyncio.TimerHandle | None = None
        self._overdue = False

    def expect(self, who: object) -> None:
        """``who`` will come with the rank ``FIRST``, unless it is let go before."""
        self._expected.add(who)

    def let_go(self, who: object) -> None:
        """It has come, or does not any more."""
        self._expected.discard(who)
        self._call()

    @asynccontextmanager
    async def turn(self, rank: float) -> AsyncGenerator[None, None]:
        """A place; of those that wait the lowest rank is next, then who has waited longest.

        Args:
            rank: what has been had, ``FIRST`` for nothing.
        """
        await self._enter(rank)
        try:
            yield
        finally:
            self._free += 1
            self._call()

    async def _enter(self, rank: float) -> None:
        if rank == FIRST:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        me = _Waiting(rank, next(self._numbers), loop.create_future())
        self._waiting.append(me)
        self._call()
        try:
            await me.called
        except asyncio.CancelledError:
            if me in self._waiting:
                self._waiting.remove(me)
            else:
                self._free += 1  # called and cancelled at once: the place goes on to the next
            self._call()
            raise

    def _call(self) -> None:
        """Let in whom there is a place for; while somebody is expected, only who is overdue."""
        while (self._overdue or not self._expected) and self._let_next_in():
            self._start_afresh()
        if not self._waiting:
            self._start_afresh()
        elif self._clock is None and not self._overdue:
            self._clock = asyncio.get_running_loop().call_later(self._max_wait, self._run_out)

    def _run_out(self) -> None:
        self._clock, self._overdue = None, True
        self._call()

    def _start_afresh(self) -> None:
        """Patience is that of those who wait now."""
        self._overdue = False
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _let_next_in(self) -> bool:
        there = [one for one in self._waiting if not one.called.cancelled()]
        if self._free <= 0 or not there:
            return False
        one = min(there)
        self._waiting.remove(one)
        self._free -= 1
        one.called.set_result(None)
        return True
