"""An index of outputs in memory, in the order of their making."""

import bisect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from orchestrator.store.records import Kind, OutputRecord

RESERVED_SHARE: Final = 0.5
"""Share of the bytes that is kept free, at most, for what is being written."""


@dataclass
class Entry:
    """Entry of an output in the index.

    Attributes:
        owner: None where its files have no record.
        created, expires: seconds since the epoch; infinity for what never expires.
        files: relative paths. bytes: of all of them.
        derived: files that can be made again, by path: bytes, and the time of their making.
        shared: whether it lies in a bucket too.
    """

    id: str
    owner: str | None
    kind: Kind | None
    created: float
    expires: float
    files: Sequence[str]
    bytes: int
    derived: dict[str, tuple[int, float]] = field(default_factory=dict)
    shared: bool = False

    @property
    def age(self) -> tuple[float, str]:
        return self.created, self.id

    @property
    def all_bytes(self) -> int:
        return self.bytes + sum(size for size, _ in self.derived.values())


def entry_of(record: OutputRecord) -> Entry:
    """The entry of a record."""
    return Entry(
        record.id,
        record.owner,
        record.kind,
        record.created.timestamp(),
        inf if record.expires is None else record.expires.timestamp(),
        [file.path for file in record.files],
        record.bytes,
        shared=record.shared,
    )


def stray(name: str, sizes: Mapping[str, int], changed: float, seconds: float) -> Entry:
    """The entry of files without a record, which go ``seconds`` after their last change; 0: never."""
    expires = changed + seconds if seconds else inf
    return Entry(name, None, None, changed, expires, list(sizes), sum(sizes.values()))


class OutputIndex:
    """Entries by id and by age; not locked.

    Attributes:
        bytes: of all files. largest: bytes of the largest output so far.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.largest = 0
        self._entries: dict[str, Entry] = {}
        self._order: list[tuple[float, str]] = []
        self._earliest = inf
        self._with_derived: set[str] = set()

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def entries(self) -> list[Entry]:
        """All entries, in no order."""
        return list(self._entries.values())

    def put(self, entry: Entry) -> None:
        """Take an entry in, in place of one of the same id."""
        self.pop(entry.id)
        self._entries[entry.id] = entry
        bisect.insort(self._order, entry.age)
        self.bytes += entry.all_bytes
        self.largest = max(self.largest, entry.bytes)
        self._earliest = min(self._earliest, entry.expires)

    def pop(self, name: str) -> Entry | None:
        """Take an entry out."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            del self._order[bisect.bisect_left(self._order, entry.age)]
            self.bytes -= entry.all_bytes
        return entry

    def is_over(self, most: int, coming: int) -> bool:
        """Whether the files take more than ``most`` bytes, with room for ``coming`` ones; 0: never."""
        reserved = min(coming * self.largest, int(most * RESERVED_SHARE))
        return bool(most) and self.bytes + reserved > most

    def derive(self, entry: Entry, path: str, size: int, made: float) -> None:
        """Note a derived file of an entry, made at this time."""
        self.bytes += size - entry.derived.get(path, (0, 0.0))[0]
        entry.derived[path] = size, made
        self._with_derived.add(entry.id)

    def with_derived(self) -> list[Entry]:
        """List the entries that have derived files."""
        self._with_derived &= self._entries.keys()
        return [self._entries[name] for name in self._with_derived]

    def underive(self, entry: Entry, path: str) -> None:
        """Forget a derived file of an entry."""
        self.bytes -= entry.derived.pop(path)[0]
        if not entry.derived:
            self._with_derived.discard(entry.id)

    def take_expired(self, now: float, but: Collection[str | None]) -> list[Entry]:
        """Take out what has expired, ``but`` for these ids; looks at all only where something may have."""
        if now < self._earliest:
            return []
        entries = self.entries()
        due = [entry for entry in entries if entry.expires <= now and entry.id not in but]
        gone = {entry.id for entry in due}
        self._earliest = min((entry.expires for entry in entries if entry.id not in gone), default=inf)
        for entry in due:
            self.pop(entry.id)
        return due

    def oldest(self, but: Collection[str | None]) -> Entry | None:
        """The oldest entry ``but`` for these ids."""
        name = next((name for _, name in self._order if name not in but), None)
        return None if name is None else self._entries[name]

    def owned(self, sees: Callable[[str], bool], start: Entry | None, newest_first: bool) -> Iterator[Entry]:
        """Yield those of `behind` whose owner is seen; what has none is in no list."""
        entries = self.behind(start, newest_first)
        return (entry for entry in entries if entry.owner is not None and sees(entry.owner))

    def behind(self, start: Entry | None, newest_first: bool) -> Iterator[Entry]:
        """Yield the entries after ``start``, or all, in the order of their making or against it."""
        order = self._order
        if start is not None and newest_first:
            order = order[: bisect.bisect_left(order, start.age)]
        elif start is not None:
            order = order[bisect.bisect_right(order, start.age) :]
        for _, name in reversed(order) if newest_first else order:
            yield self._entries[name]
