"""Results of asynchronous work, computed once for all callers who need the same, and kept within bounds."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from lumen.lru_cache import LruCache, unit_size

T = TypeVar("T")


class AsyncCache(Generic[T]):
    """Keeps the most recently used results; belongs to one event loop.

    Callers who ask for a result that is being computed share the computation, and its failure, which is not
    kept: the next caller computes anew. A caller who is cancelled takes nothing from the others.

    Args:
        limit: total size of the results, at most.
        size_of: size of a result; without it each counts as one.
        cancel_abandoned: whether a computation is cancelled when all of its callers are; else it goes on,
            and its result is kept.
    """

    def __init__(
        self, limit: int, size_of: Callable[[T], int] = unit_size, *, cancel_abandoned: bool = True
    ) -> None:
        self._results: LruCache[Hashable, T] = LruCache(limit, size_of)
        self._cancel_abandoned = cancel_abandoned
        self._running: dict[Hashable, _Computation[T]] = {}

    @property
    def size(self) -> int:
        """Total size of the results that are kept."""
        return self._results.size

    def __len__(self) -> int:
        return len(self._results)

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """Return the result under ``key``, or that of ``compute``; raises what it raises.

        Args:
            key: hash of everything that the result depends on.
        """
        if (kept := self._results.get(key)) is not None:
            return kept
        running = self._running.get(key) or self._start(key, compute)
        running.callers += 1
        try:
            return await asyncio.shield(running.task)
        finally:
            running.callers -= 1
            if self._cancel_abandoned and not running.callers and not running.task.done():
                running.task.cancel()
                self._forget(key, running)

    def _start(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> "_Computation[T]":
        self._running[key] = running = _Computation[T]()
        running.task = asyncio.create_task(self._compute(key, compute, running))
        return running

    async def _compute(
        self, key: Hashable, compute: Callable[[], Awaitable[T]], running: "_Computation[T]"
    ) -> T:
        try:
            result = await compute()
        finally:
            self._forget(key, running)
        self._results.put(key, result)
        return result

    def _forget(self, key: Hashable, running: "_Computation[T]") -> None:
        """Let the next caller compute anew, unless one does so already."""
        if self._running.get(key) is running:
            del self._running[key]


class _Computation(Generic[T]):
    """A computation under way, and the number of its callers."""

    task: "asyncio.Task[T]"

    def __init__(self) -> None:
        self.callers = 0
