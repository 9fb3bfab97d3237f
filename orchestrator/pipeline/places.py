"""Places for work: so much of a kind at once, and so much of it for one client."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final

from lumen.errors import BusyException, ServiceUnavailableException
from orchestrator.request_context import client

NICENESS_STEP: Final = 5
MAX_NICENESS: Final = 15
"""Niceness of a client's work: a step for each place besides its first, up to the most."""

_reserved: Final[ContextVar[frozenset[str]]] = ContextVar("reserved", default=frozenset())
"""Kinds of work for which the request that is being served has its place already."""


class Places:
    """Places for one kind of work.

    Args:
        kind: the work's name in messages, such as clips. total: places in all. share: places of one client.
        own: says how many the client of the request may have at most, where that is less.
    """

    def __init__(self, kind: str, total: int, share: int, own: ContextVar[int | None] | None = None) -> None:
        self._kind = kind
        self._total = total
        self._share = share
        self._own = own
        self._taken: Counter[str] = Counter()
        self._awaited: Counter[str] = Counter()  # under another name, by the client they are for
        self._freed: list[asyncio.Event] = []  # of those who wait, the first one first

    @property
    def taken(self) -> int:
        """Places that are taken now."""
        return self._taken.total()

    def taken_by(self, name: str) -> int:
        """Places that a client has taken, besides those that were awaited for it."""
        return self._taken[name]

    @property
    def niceness(self) -> int:
        """Niceness for threads that work for the client of the request that is being served.

        The more places it has, the more its work gives way to that of others.
        """
        others = max(0, self._taken[client.get()] - 1)
        return min(MAX_NICENESS, NICENESS_STEP * others)

    def check(self) -> None:
        """Refuse a request that would get no place, before its body is read. Raises: see `place`."""
        self._check(client.get())

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Take a place for a request before anything costly is done for it; `place` is then the same one.

        Raises: see `place`.
        """
        with self.place(), self._as_reserved():
            yield

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place while the block runs, for the client of the request that is being served.

        Raises:
            ServiceUnavailableException: all are taken.
            BusyException: the client has as many as one may have.
        """
        if self._kind in _reserved.get():
            yield
            return
        name = client.get()
        self._check(name)
        with self._take(name):
            yield

    @asynccontextmanager
    async def awaited(self, name: str, most: int, beneficiary: str, limit: int | None) -> AsyncIterator[None]:
        """Wait for a place and hold it while the block runs; `place` is then the same one.

        Args:
            name: whose place it is, in place of a client's.
            most: places that ``name`` has at once.
            beneficiary: client that it is for.
            limit: places that are taken by and for that client at once; None: no bound of its own.
        """
        freed = asyncio.Event()
        self._freed.append(freed)
        try:
            while (
                self.taken >= self._total
                or self._taken[name] >= most
                or (limit is not None and self._all_of(beneficiary) >= limit)
            ):
                freed.clear()
                await freed.wait()
        finally:
            self._freed.remove(freed)
        self._awaited[beneficiary] += 1
        try:
            with self._take(name), self._as_reserved():
                yield
        finally:
            self._awaited[beneficiary] -= 1
            self._awaited += Counter()  # without those that have none

    @contextmanager
    def _as_reserved(self) -> Iterator[None]:
        """Have `place` find the place that is held while the block runs."""
        token = _reserved.set(_reserved.get() | {self._kind})
        try:
            yield
        finally:
            _reserved.reset(token)

    @contextmanager
    def _take(self, name: str) -> Iterator[None]:
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]
            for freed in self._freed:
                freed.set()

    def _check(self, name: str) -> None:
        if self.taken >= self._total:
            raise ServiceUnavailableException(
                f"{self._total} {self._kind} are being made, which is all at once; try again in a moment."
            )
        own = None if self._own is None else self._own.get()
        if own is not None and self._all_of(name) >= own:
            raise BusyException(
                f"{self._all_of(name)} {self._kind} are being made for you, in the background too, and "
                f"your key may have {own} at once; try again when one is done."
            )
        if self._taken[name] >= self._share:
            raise BusyException(
                f"{self._share} {self._kind} are being made for you, which is your share; "
                "try again when one is done."
            )

    def _all_of(self, name: str) -> int:
        """Places that are taken by a client and for it."""
        return self._taken[name] + self._awaited[name]
