"""Priority limiter: a resource with few places goes to whoever has had least, who is also waited for."""

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

FIRST: Final = -math.inf
"""Rank of a task that has had nothing yet."""


@dataclass(order=True)
class _Waiting:
    rank: float
    number: int
    admitted: "asyncio.Future[None]" = field(compare=False)


class PriorityLimiter:
    """Limits the tasks at a resource to ``places``, in the order of their rank; belongs to one event loop.

    A task that has had nothing is admitted at once, whoever is there: they may share what is done. Admitted
    tasks cannot be overtaken, so while one with the rank ``FIRST`` is expected the places stay free for it.
    One of the others is admitted when none has been for ``max_wait`` seconds.

    Args:
        places: at least 1.
        max_wait: seconds without an admission after which one waiting task is admitted all the same.
    """

    def __init__(self, places: int, max_wait: float) -> None:
        self._free = places
        self._max_wait = max_wait
        self._numbers = itertools.count()
        self._waiting: list[_Waiting] = []
        self._expected: set[object] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._overdue = False

    def expect(self, who: object) -> None:
        """Expect ``who`` to come with the rank ``FIRST``, until `stop_expecting`."""
        self._expected.add(who)

    def stop_expecting(self, who: object) -> None:
        """Stop expecting ``who``: it has come, or does not any more."""
        self._expected.discard(who)
        self._admit()

    @asynccontextmanager
    async def place(self, rank: float) -> AsyncGenerator[None, None]:
        """Wait for a place and hold it; the lowest rank is next, then who has waited longest.

        Args:
            rank: what has been had, ``FIRST`` for nothing.
        """
        await self._enter(rank)
        try:
            yield
        finally:
            self._free += 1
            self._admit()

    async def _enter(self, rank: float) -> None:
        if rank == FIRST:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        me = _Waiting(rank, next(self._numbers), loop.create_future())
        self._waiting.append(me)
        self._admit()
        try:
            await me.admitted
        except asyncio.CancelledError:
            if me in self._waiting:
                self._waiting.remove(me)
            else:
                self._free += 1  # called and cancelled at once: the place goes on to the next
            self._admit()
            raise

    def _admit(self) -> None:
        """Admit those for whom there is a place; while somebody is expected, only who is overdue."""
        while (self._overdue or not self._expected) and self._admit_next():
            self._restart_timer()
        if not self._waiting:
            self._restart_timer()
        elif self._timer is None and not self._overdue:
            self._timer = asyncio.get_running_loop().call_later(self._max_wait, self._run_out)

    def _run_out(self) -> None:
        self._timer, self._overdue = None, True
        self._admit()

    def _restart_timer(self) -> None:
        """Restart the timer: the longest wait counts for those who wait now."""
        self._overdue = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _admit_next(self) -> bool:
        there = [one for one in self._waiting if not one.admitted.cancelled()]
        if self._free <= 0 or not there:
            return False
        one = min(there)
        self._waiting.remove(one)
        self._free -= 1
        one.admitted.set_result(None)
        return True
