"""A bounded cache: the least recently used entries go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def unit_size(_: object) -> int:
    """Size of a value where the limit counts values."""
    return 1


class LruCache(Generic[K, V]):
    """Keeps values within a limit of their sizes; safe to use from several threads.

    Args:
        limit: total size of the values, at most.
        size_of: size of a value; without it each counts as one.
    """

    def __init__(self, limit: int, size_of: Callable[[V], int] = unit_size) -> None:
        self._limit = limit
        self._size_of = size_of
        self._values: OrderedDict[K, V] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Total size of the values that are kept."""
        return self._size

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value under ``key`` and mark it as used; None where there is none."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Keep ``value``, in place of another under ``key``; one above the limit by itself is not kept."""
        size = self._size_of(value)
        with self._lock:
            self._remove(key)
            if size > self._limit:
                return
            while self._size + size > self._limit:
                self._remove(next(iter(self._values)))
            self._values[key] = value
            self._size += size

    def remove(self, key: K) -> None:
        """Forget the value under ``key``, where there is one."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: K) -> None:
        if key in self._values:
            self._size -= self._size_of(self._values.pop(key))
