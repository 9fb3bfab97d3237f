"""Keeping of what was made, and choice of what has to go.

An output goes when its time is over, and the oldest ones go when all of them take too many bytes; never one
that is being read or written. The index is in memory: the folders are read at the start, and now and then for
what other processes made. A removal that is broken off is done again by the next process that starts.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePath
from typing import Final

from lumen.errors import NotFoundException, ServiceUnavailableException
from orchestrator.messages import excerpt
from orchestrator.store.files import remove
from orchestrator.store.objects import Method, Objects
from orchestrator.store.output_index import Entry, OutputIndex, entry_of, stray
from orchestrator.store.outputs import Outputs
from orchestrator.store.records import NAME, Kind, OutputFile, OutputRecord, RecordFiles
from orchestrator.store.shared_outputs import SharedOutputs, file_of

log = logging.getLogger("lumen")

ADOPTED_AFTER_SECONDS: Final = 600.0
"""Age from which files without a record are taken for those of a process that was killed."""

DERIVED_SECONDS: Final = 3600.0
"""Seconds that a file is kept which can be made again of another one."""

RECORDING_SECONDS: Final = 60.0
"""Seconds that a new output is believed to have a record although the folder was read without it."""

DAY_SECONDS: Final = 86_400.0


class KeptOutputs:
    """Outputs of all owners; the calls read and write files, so async code calls them in a thread.

    Args:
        days: that an output is kept where its maker says nothing else; 0: for ever.
        max_bytes: of all files together; 0: as many as the disk holds.
        objects: where all is kept for other processes too; the files on this machine are then a cache.
    """

    def __init__(self, outputs: Outputs, days: float, max_bytes: int, objects: Objects | None = None) -> None:
        self.seconds = days * DAY_SECONDS
        self._outputs = outputs
        self._records = RecordFiles(outputs.records_folder)
        self._shared = None if objects is None else SharedOutputs(objects, self._records, outputs.root)
        self._syncing = threading.Lock()
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
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
        for name, paths in self._outputs.files_by_name(but=known).items():
            if NAME.fullmatch(name):
                with suppress(FileNotFoundError):
                    self._adopt(name, paths)

    @property
    def is_shared(self) -> bool:
        """Whether a bucket has it all too."""
        return self._shared is not None

    def remove_strays(self) -> None:
        """Remove files in the bucket whose record was never put.

        Raises:
            ServiceUnavailableException: the bucket's server is away.
        """
        if self._shared is not None:
            self._shared.remove_strays()

    def sync(self) -> None:
        """Take in what other processes put into the bucket, and forget what they removed.

        Raises:
            ServiceUnavailableException: the bucket's server is away.
        """
        if self._shared is None:
            return
        with self._syncing:
            for record in self._shared.sync(self._outputs.writing.__contains__):
                self._remove_here(self._taken_out(record))
            self._read_records()

    def add(self, record: OutputRecord) -> None:
        """Write a record, and make room for its files where all take too much.

        Raises:
            StorageException: the disk is full.
            ServiceUnavailableException: the bucket's server is away.
        """
        if self._shared is not None:
            record = replace(record, shared=True)
            self._shared.publish(record)
        self._records.write(record)
        with self._lock:
            self._index.put(entry_of(record))
        self.sweep(protected=record.id)

    def derived(self, path: Path) -> bool:
        """Note a file that was made of an output's sound, and can be made again; whether it stays.

        Raises:
            ServiceUnavailableException: the bucket's server is away.
        """
        if not self._stays(path):
            return False
        stat = path.stat()
        with self._lock:
            if (entry := self._index.get(path.stem)) is not None:
                self._index.derive(entry, self._relative(path), stat.st_size, stat.st_mtime)
        self.sweep(protected=path.stem)
        return True

    def _stays(self, path: Path) -> bool:
        """Whether a file that has just got its name stays: not where its output was removed meanwhile."""
        stays = False
        try:
            stays = self.read(path.stem) is not None  # a removal that begins after this takes the file too
        finally:
            if not stays:
                remove(path)
        return stays

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
        if name in self._removing:
            return None
        record = self._records.read(name)
        return self._shared.read(name) if record is None and self._shared is not None else record

    def address(self, path: Path, method: Method) -> str | None:
        """Signed address of a file that another process made; None where no bucket has it."""
        file = self._elsewhere(path)
        return None if file is None or self._shared is None else self._shared.address(file, method)

    def bring(self, path: Path) -> bool:
        """Copy a file that another process made to this machine; whether it is there then.

        Raises:
            StorageException: the disk is full.
        """
        if path.is_file():
            return True
        file = self._elsewhere(path)
        fetched = file is not None and self._shared is not None and self._shared.fetch(file)
        return fetched and self._stays(path)

    def _elsewhere(self, path: Path) -> OutputFile | None:
        """The file in the bucket of this path."""
        if self._shared is None or not path.is_relative_to(self._outputs.root):
            return None
        return file_of(self.read(path.stem), self._relative(path))

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
            ServiceUnavailableException: the bucket's server is away.
            NotFoundException: there is no output of that id (any more), or it may not be seen.
        """
        self._refresh()
        with self._lock:
            start = None if after is None else self._index.get(after)
            if after is not None and (start is None or start.owner is None or not sees(start.owner)):
                raise NotFoundException(
                    f"after: there is no output {excerpt(after)!r} (any more); start again."
                )
            owned = self._index.owned(sees, start, newest_first)
            names = list(islice((e.id for e in owned if kind in (None, e.kind)), limit + 1))
        records = [self.read(name) for name in names[:limit]]
        return [record for record in records if record is not None], len(names) > limit

    def remove(self, name: str) -> None:
        """Remove an output with its files, whoever owns it.

        Raises:
            NotFoundException: there is none.
        """
        entry = self._taken_out(self.find(name, lambda _: True))
        try:
            self._delete(entry)
        except ServiceUnavailableException:
            self._put_back([entry])
            raise

    def _taken_out(self, record: OutputRecord) -> Entry:
        """Take an output out of the index, to remove it."""
        with self._lock:
            self._removing.add(record.id)
            return self._index.pop(record.id) or entry_of(record)

    def owner_of(self, path: PurePath) -> str | None:
        """Id of the owner of a file; None where nothing is known of it. May read its record."""
        entry = self._index.get(path.stem)
        if entry is not None and entry.owner is not None:
            return entry.owner
        record = self.read(path.stem)
        return None if record is None else record.owner

    @contextmanager
    def lease(self, path: Path) -> Iterator[None]:
        """Keep the output of this file from going by age or size while the block reads it.

        Raises:
            NotFoundException: it is being removed.
        """
        with self._lock:
            if path.stem in self._removing:
                raise NotFoundException(f"{path.name} is not there any more.")
            self._leases[path.stem] += 1
        try:
            yield
        finally:
            with self._lock:
                self._leases -= Counter([path.stem])

    def sweep(self, protected: str | None = None) -> list[str]:
        """Remove what has to go, and list the ids.

        Args:
            protected: id of an output that stays, of whatever size: it is a new one.
        """
        with self._lock:
            busy = {protected, *self._leases, *list(self._outputs.writing)}
            derived = self._take_derived(busy, protected)
            due, room = self._index.take_expired(time.time(), busy), self._take_for_room(busy, protected)
            self._removing.update(entry.id for entry in (*due, *room))
            here = [entry for entry in room if not entry.shared]
            for entry in here:  # before anybody else counts: the room is on the disk, not in the index alone
                self._remove_here(entry)
        for path in derived:
            remove(self._outputs.root / path)
        gone = [*here, *self._delete_all([*due, *(entry for entry in room if entry.shared)])]
        if gone:
            log.info("Removed %d outputs that were old, %d bytes", len(gone), sum(e.all_bytes for e in gone))
        return [entry.id for entry in gone]

    def _take_for_room(self, busy: set[str | None], protected: str | None) -> list[Entry]:
        """Take the oldest ones out of the index while all take too much."""
        due: list[Entry] = []
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
        others = sum(name != protected for name in list(self._outputs.writing))
        return self._index.is_over(self._max_bytes, others + 1 if others else 0)

    def _delete_all(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Remove outputs, and list those that are gone; the others go when the bucket's server is back."""
        for number, entry in enumerate(entries):
            try:
                self._delete(entry)
            except ServiceUnavailableException as error:
                log.warning("Outputs that are old cannot be removed yet: %s", error)
                self._put_back(entries[number:])
                return entries[:number]
        return entries

    def _put_back(self, entries: Sequence[Entry]) -> None:
        with self._lock:
            for entry in entries:
                self._index.put(entry)
                self._removing.discard(entry.id)

    def _delete(self, entry: Entry) -> None:
        """Remove the files, then the record: what is broken off in between is found again by the record.

        Raises:
            ServiceUnavailableException: the bucket's server is away.
        """
        if entry.shared and self._shared is not None:
            self._shared.remove(entry.id, entry.files)
        self._remove_here(entry)

    def _remove_here(self, entry: Entry) -> None:
        for path in (*entry.files, *entry.derived):
            remove(self._outputs.root / path)
        self._records.remove(entry.id)
        remove(self._outputs.audio(entry.id))  # another process may have derived it meanwhile
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
                sizes = {path: stat.st_size for path, stat in stats.items()}
                self._index.put(stray(name, sizes, changed, self.seconds))

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
        elsewhere = entry.shared and self._shared is not None
        whole = elsewhere or all((self._outputs.root / path).is_file() for path in entry.files)
        with self._lock:
            if whole:
                self._index.put(entry)
            else:
                self._removing.add(entry.id)
        if not whole:
            self._remove_here(entry)

    def _refresh(self) -> None:
        """Take in what other processes recorded, where the folder has changed since it was read."""
        self.sync()
        with suppress(FileNotFoundError):
            if self._records.folder.stat().st_mtime_ns != self._seen:
                self._read_records()

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._outputs.root).as_posix()
