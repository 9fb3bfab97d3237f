"""What is kept of what was made, and what of it has to go.

An output goes when its time is over, and the oldest ones go when all of them take too many bytes; never one
that is being read or written. The index is in memory: the folders are read at the start, and now and then for
what other processes made. A removal that is broken off is done again by the next process that starts.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from math import inf
from pathlib import Path, PurePath
from typing import Final

from lumen.aio import with_timeout
from lumen.errors import NotFoundException
from orchestrator.messages import excerpt
from orchestrator.store.files import remove
from orchestrator.store.output_index import Entry, OutputIndex, entry_of
from orchestrator.store.outputs import Outputs, nothing
from orchestrator.store.records import NAME, Kind, OutputRecord, RecordFiles

log = logging.getLogger("lumen")

ADOPTED_AFTER_SECONDS: Final = 600.0
"""Age from which files without a record are taken for those of a process that was killed."""

DERIVED_SECONDS: Final = 3600.0
"""Seconds that a file is kept which can be made again of another one."""

RESERVED_SHARE: Final = 0.5
"""Share of the bytes that is kept free, at most, for what is being written."""

RECORDING_SECONDS: Final = 60.0
"""Seconds that a new output is believed to have a record although the folder was read without it."""

DAY_SECONDS: Final = 86_400.0

SWEEP_SECONDS: Final = 30.0
LOAD_SECONDS: Final = 600.0
"""Seconds between two looks at what has expired, and between two readings of the folders."""


class KeptOutputs:
    """Outputs of all owners; the calls read and write files, so async code calls them in a thread.

    Args:
        days: that an output is kept where its maker says nothing else; 0: for ever.
        max_bytes: of all files together; 0: as many as the disk holds.
    """

    def __init__(self, outputs: Outputs, days: float, max_bytes: int) -> None:
        self.seconds = days * DAY_SECONDS
        self._outputs = outputs
        self._records = RecordFiles(outputs.records_folder)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._index = OutputIndex()
        self._leases: Counter[str] = Counter()
        self._removing: set[str] = set()
        self._seen = 0

    @property
    def bytes(self) -> int:
        """Bytes of all that is finished."""
        return self._index.bytes

    def load(self) -> None:
        """Read the folders: records, files that were derived, and files that have no record."""
        self._read_records()
        with self._lock:
            known = {path for entry in self._index.entries() for path in entry.files}
        strays: dict[str, list[Path]] = {}
        for path in self._outputs.files():
            if self._relative(path) not in known and NAME.fullmatch(path.stem):
                strays.setdefault(path.stem, []).append(path)
        for name, paths in strays.items():
            with suppress(FileNotFoundError):
                self._adopt(name, paths)

    def add(self, record: OutputRecord) -> None:
        """Write a record, and make room for its files where all take too much.

        Raises:
            StorageException: the disk is full.
        """
        self._records.write(record)
        with self._lock:
            self._index.put(entry_of(record))
        self.sweep(protected=record.id)

    def derived(self, path: Path) -> None:
        """Note a file that was made of an output's sound, and can be made again."""
        stat = path.stat()
        with self._lock:
            entry = self._index.get(path.stem)
            if entry is None:
                return
            self._index.derive(entry, self._relative(path), stat.st_size, stat.st_mtime)
        self.sweep(protected=path.stem)

    def find(self, name: str, sees: Callable[[str], bool]) -> OutputRecord:
        """The output of this id.

        Args:
            sees: whether what belongs to an owner may be seen.

        Raises:
            NotFoundException: there is none, or it may not be seen.
        """
        record = self.read(name)
        if record is None or not sees(record.owner):
            raise NotFoundException(
                f"There is no output {excerpt(name)!r} (any more); GET /api/outputs lists yours."
            )
        return record

    def read(self, name: str) -> OutputRecord | None:
        """The record of this id, whoever owns it; None where there is none."""
        return None if name in self._removing else self._records.read(name)

    def page(
        self,
        sees: Callable[[str], bool],
        *,
        kind: Kind | None,
        after: str | None,
        limit: int,
        newest_first: bool,
    ) -> tuple[list[OutputRecord], bool]:
        """``limit`` outputs in the order of their making, and whether there are more.

        Args:
            sees: whether what belongs to an owner may be seen.
            after: id of the last one of the page before.

        Raises:
            NotFoundException: there is no output of that id (any more), or it may not be seen.
        """
        self._refresh()
        with self._lock:
            start = None if after is None else self._index.get(after)
            if after is not None and (start is None or start.owner is None or not sees(start.owner)):
                raise NotFoundException(
                    f"after: there is no output {excerpt(after)!r} (any more); start again."
                )
            entries = self._index.behind(start, newest_first)
            owned = (e for e in entries if e.owner is not None and sees(e.owner))
            names = list(islice((e.id for e in owned if kind in (None, e.kind)), limit + 1))
        records = [self.read(name) for name in names[:limit]]
        return [record for record in records if record is not None], len(names) > limit

    def remove(self, name: str) -> None:
        """Remove an output with its files, whoever owns it.

        Raises:
            NotFoundException: there is none.
        """
        record = self.find(name, lambda _: True)
        with self._lock:
            entry = self._index.pop(name) or entry_of(record)
            self._removing.add(name)
        self._delete(entry)

    def owner_of(self, path: PurePath) -> str | None:
        """Id of the owner of a file; None where nothing is known of it. May read its record."""
        entry = self._index.get(path.stem)
        if entry is not None and entry.owner is not None:
            return entry.owner
        record = self._records.read(path.stem)
        return None if record is None else record.owner

    @contextmanager
    def lease(self, path: Path) -> Iterator[None]:
        """Keep the output of this file from going by age or size while the block reads it.

        Raises:
            NotFoundException: it is being removed.
        """
        name = path.stem
        with self._lock:
            if name in self._removing:
                raise NotFoundException(f"{path.name} is not there any more.")
            self._leases[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._leases[name] -= 1
                if not self._leases[name]:
                    del self._leases[name]

    def sweep(self, protected: str | None = None) -> list[str]:
        """Remove what has to go, and list the ids.

        Args:
            protected: id of an output that stays, of whatever size: it is a new one.
        """
        with self._lock:
            busy = {protected, *self._leases, *list(self._outputs.writing)}
            derived = self._take_derived(busy, protected)
            due = self._take_due(busy, protected)
            self._removing.update(entry.id for entry in due)
        for path in derived:
            remove(self._outputs.root / path)
        for entry in due:
            self._delete(entry)
        if due:
            log.info("Removed %d outputs that were old, %d bytes", len(due), sum(e.all_bytes for e in due))
        return [entry.id for entry in due]

    async def watch(self) -> None:
        """Remove what has to go, now and then, and make room for what begins; until cancelled.

        The folders are read at the start and every ten minutes.
        """
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        self._outputs.began = lambda: loop.call_soon_threadsafe(begun.set)
        loaded = -inf
        try:
            while True:
                if loop.time() - loaded > LOAD_SECONDS:
                    await asyncio.to_thread(self._logged, self.load)
                    loaded = loop.time()
                await asyncio.to_thread(self._logged, self.sweep)
                with suppress(TimeoutError):
                    await with_timeout(SWEEP_SECONDS, begun.wait())
                begun.clear()
        finally:
            self._outputs.began = nothing

    @staticmethod
    def _logged(work: Callable[[], object]) -> None:
        """Do ``work``; what goes wrong with the disk is logged, and tried again later."""
        try:
            work()
        except OSError as error:
            log.warning("The outputs cannot be looked through: %s", error)

    def _take_due(self, busy: set[str | None], protected: str | None) -> list[Entry]:
        """Take out of the index what has expired, and the oldest ones while all take too much."""
        due = self._index.expired(time.time(), busy)
        for entry in due:
            self._index.pop(entry.id)
        while self._is_over(protected) and (oldest := self._index.oldest(busy)) is not None:
            self._index.pop(oldest.id)
            due.append(oldest)
        return due

    def _take_derived(self, busy: set[str | None], protected: str | None) -> list[str]:
        """Take derived files out of the index: old ones, and any where bytes are short."""
        due: list[str] = []
        for entry in self._index.with_derived():
            for path, (_, made) in list(entry.derived.items()):
                old = time.time() - made > DERIVED_SECONDS
                if entry.id not in busy and (old or self._is_over(protected)):
                    self._index.underive(entry, path)
                    due.append(path)
        return due

    def _is_over(self, protected: str | None) -> bool:
        """Whether the files take too much, with room for those that are being written, and for one more."""
        if not self._max_bytes:
            return False
        others = sum(name != protected for name in list(self._outputs.writing))
        reserved = (others + 1) * self._index.largest if others else 0
        return self._index.bytes + min(reserved, int(self._max_bytes * RESERVED_SHARE)) > self._max_bytes

    def _delete(self, entry: Entry) -> None:
        """Remove the files, then the record: what is broken off in between is found again by the record."""
        for path in (*entry.files, *entry.derived):
            remove(self._outputs.root / path)
        self._records.remove(entry.id)
        with self._lock:
            self._removing.discard(entry.id)

    def _adopt(self, name: str, paths: Sequence[Path]) -> None:
        """Take in files that are in no record: derived ones, and those of a process that was killed.

        Nobody finds the latter, but they go in their time.
        """
        stats = {self._relative(path): path.stat() for path in paths}
        changed = max(stat.st_mtime for stat in stats.values())
        with self._lock:
            entry = self._index.get(name)
            if entry is not None and entry.owner is not None:
                for path, stat in stats.items():
                    self._index.derive(entry, path, stat.st_size, stat.st_mtime)
            elif name not in self._outputs.writing and time.time() - changed > ADOPTED_AFTER_SECONDS:
                expires = changed + self.seconds if self.seconds else inf
                total = sum(stat.st_size for stat in stats.values())
                self._index.put(Entry(name, None, None, changed, expires, list(stats), total))

    def _read_records(self) -> None:
        """Take in records that are not in the index yet; forget outputs whose record is gone."""
        with suppress(FileNotFoundError):
            self._seen = self._records.folder.stat().st_mtime_ns
        before = time.time() - RECORDING_SECONDS
        names = set(self._records.names())
        with self._lock:
            for entry in self._index.entries():
                if entry.owner is not None and entry.id not in names and entry.created < before:
                    self._index.pop(entry.id)
            new = [name for name in names if self._index.get(name) is None and name not in self._removing]
        for name in new:
            if (record := self._records.read(name)) is not None:
                self._take_in(entry_of(record))

    def _take_in(self, entry: Entry) -> None:
        """Put an entry into the index, or finish its removal where a process was killed at it."""
        whole = all((self._outputs.root / path).is_file() for path in entry.files)
        with self._lock:
            if whole:
                self._index.put(entry)
            else:
                self._removing.add(entry.id)
        if not whole:
            self._delete(entry)

    def _refresh(self) -> None:
        """Take in what other processes recorded, where the folder has changed since it was read."""
        with suppress(FileNotFoundError):
            if self._records.folder.stat().st_mtime_ns != self._seen:
                self._read_records()

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._outputs.root).as_posix()
