"""Outputs in a bucket that several APIs share: files and records under the names that they have on a disk.

The record is put last and says that all is there. The folder of records on this machine follows the bucket:
`sync` takes in what is new there, and names what is gone.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import ValidationError

from lumen.errors import LumenException
from orchestrator.store.objects import Method, Objects
from orchestrator.store.outputs import RECORDS, SERVED
from orchestrator.store.records import NAME, RECORD, SUFFIX, OutputFile, OutputRecord, RecordFiles

log = logging.getLogger("lumen")

ROOT: Final = "outputs"
"""Prefix of the keys of all outputs."""

READERS: Final = 8
"""Records that are read at once when many are new."""

STRAY_SECONDS: Final = 3600.0
"""Age from which objects without a record are taken for those of a process that was killed."""


class SharedOutputs:
    """Outputs of a bucket; every call asks it, so async code calls it in a thread.

    All raise ServiceUnavailableException where the bucket's server is away.

    Args:
        records: the records on this machine.
    """

    def __init__(self, objects: Objects, records: RecordFiles, root: Path) -> None:
        self._objects = objects
        self._records = records
        self._root = root

    def publish(self, record: OutputRecord) -> None:
        """Put the files of an output, then its record; what was put is removed where one fails."""
        try:
            for file in record.files:
                self._objects.put(_key(file.path), self._root / file.path, file.media_type)
            self._objects.put(_record_key(record.id), RECORD.dump_json(record), "application/json")
        except LumenException:
            with suppress(LumenException):
                self.remove(record.id, [file.path for file in record.files])
            raise

    def read(self, name: str) -> OutputRecord | None:
        """Read the record of this id; None when it is not there or damaged."""
        data = self._objects.get(_record_key(name)) if NAME.fullmatch(name) else None
        if data is None:
            return None
        try:
            return RECORD.validate_json(data)
        except ValidationError as error:
            log.warning("The record %s in the bucket cannot be read: %s", name, error)
            return None

    def remove(self, name: str, paths: Sequence[str]) -> None:
        """Remove the files of an output, then its record."""
        self._objects.delete([_key(path) for path in paths])
        self._objects.delete([_record_key(name)])

    def fetch(self, file: OutputFile) -> bool:
        """Copy a file to this machine; whether it is there."""
        return self._objects.fetch(_key(file.path), self._root / file.path)

    def address(self, file: OutputFile, method: Method) -> str:
        """An address at which a file can be fetched from the bucket."""
        return self._objects.sign(_key(file.path), method)

    def sync(self, made_here: Callable[[str], bool]) -> list[OutputRecord]:
        """Write the records that are new in the bucket, and list those that are there no more.

        Args:
            made_here: whether an output of this id is being made in this process.
        """
        begun = time.time()
        there = self._names()
        here = set(self._records.names())
        with ThreadPoolExecutor(READERS) as pool:
            for record in pool.map(self.read, there - here):
                if record is not None:
                    self._records.write(record)
        return [
            record
            for name in here - there
            if not made_here(name) and self._written_before(name, begun)
            if (record := self._records.read(name)) is not None and record.shared
        ]

    def remove_strays(self) -> None:
        """Remove files whose record was never put."""
        before = datetime.now(UTC) - timedelta(seconds=STRAY_SECONDS)
        old = [
            each.key
            for kind in SERVED
            for each in self._objects.list(f"{ROOT}/{kind}")
            if each.modified < before
        ]
        names = self._names() if old else set()
        self._objects.delete([key for key in old if PurePosixPath(key).stem not in names])

    def _names(self) -> set[str]:
        """The ids that have a record in the bucket."""
        keys = (PurePosixPath(each.key) for each in self._objects.list(f"{ROOT}/{RECORDS}"))
        return {key.stem for key in keys if key.suffix == SUFFIX and NAME.fullmatch(key.stem)}

    def _written_before(self, name: str, moment: float) -> bool:
        """Whether a record on this machine is older; the list of the bucket may lack a younger one."""
        try:
            return self._records.path(name).stat().st_mtime < moment
        except FileNotFoundError:
            return False


def file_of(record: OutputRecord | None, path: str) -> OutputFile | None:
    """The file of a record in a bucket that has this relative path."""
    files: Collection[OutputFile] = () if record is None or not record.shared else record.files
    return next((file for file in files if file.path == path), None)


def _key(path: str) -> str:
    return f"{ROOT}/{path}"


def _record_key(name: str) -> str:
    return _key(f"{RECORDS}/{name}{SUFFIX}")
