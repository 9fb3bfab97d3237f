"""Work that is done once for all who ask for the same."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class AsyncCache(Generic[T]):
    """Keeps the results that were asked for last, at most ``limit``.

    Who asks while the same is being made waits for it; when it fails or is cancelled, the next one makes it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._results: OrderedDict[str, T] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """What ``make`` gave for this key, the hash of all that it depends on."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            if key not in self._results:
                self._results[key] = await make()
            self._results.move_to_end(key)
            result = self._results[key]
        while len(self._results) > self._limit:
            self._results.popitem(last=False)
        return result
