"""Small files by name, each there whole or not at all: the contract, and the embedded default, a folder.

`bucket_store` has the other one. A name is a path with slashes, the same on a disk and in a bucket.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from lumen.errors import ServiceUnavailableException
from orchestrator.store.files import PendingFile, disk_errors

LOCK_SECONDS: Final = 15.0
"""Time that somebody waits for a lock."""

POLL_SECONDS: Final = 0.05
"""Interval between two tries to take a lock."""


@dataclass(frozen=True)
class FilePart:
    """Bytes of a file, or of a part of it, and the version that they are of."""

    data: bytes
    version: str


class FileStore(Protocol):
    """Files by name.

    All methods raise ServiceUnavailableException where a bucket's server is away.
    """

    async def list(self, folder: str, *, deep: bool = False) -> Mapping[str, str]:
        """List the versions of the files in a folder by their names; "" is the topmost.

        Args:
            deep: whether those in folders below it are listed too.
        """
        ...

    async def read(
        self, name: str, start: int = 0, end: int | None = None, version: str | None = None
    ) -> FilePart | None:
        """Read the bytes from ``start`` to before ``end``, or to the file's end; None where there is no file.

        Args:
            version: one that is good enough, as the caller has just seen it: what is known of it is not
                asked for again.
        """
        ...

    async def write(self, name: str, data: bytes, replaces: str | None = None) -> str | None:
        """Keep a file where there is none, or in place of a version; its version, None where it is not kept.

        Raises:
            StorageException: the disk is full, or cannot be written.
        """
        ...

    async def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def lock(self, folder: str) -> AbstractAsyncContextManager[None]:
        """Keep all others who lock this folder waiting while the block runs.

        Raises:
            ServiceUnavailableException: others have kept it for too long.
            StorageException: the disk cannot be written.
        """
        ...


class FolderStore:
    """Files of a folder, which processes on one machine may share.

    Args:
        root: made when the first file comes.
        label: what is in it, in the plural, for messages.
    """

    def __init__(self, root: Path, label: str) -> None:
        self._root = root
        self._label = label

    async def list(self, folder: str, *, deep: bool = False) -> Mapping[str, str]:
        return await asyncio.to_thread(self._list, folder, deep)

    async def read(
        self, name: str, start: int = 0, end: int | None = None, version: str | None = None
    ) -> FilePart | None:
        return await asyncio.to_thread(self._read, name, start, end)

    async def write(self, name: str, data: bytes, replaces: str | None = None) -> str | None:
        return await asyncio.to_thread(self._write, name, data, replaces)

    async def remove(self, name: str) -> None:
        with disk_errors(self._root / name, self._label):
            await asyncio.to_thread((self._root / name).unlink, missing_ok=True)

    @asynccontextmanager
    async def lock(self, folder: str) -> AsyncIterator[None]:
        """See `FileStore`; ends with the process that holds it."""
        descriptor = await asyncio.to_thread(self._open, folder)
        try:
            await wait_for(lambda: asyncio.to_thread(_locked, descriptor))
            yield
        finally:
            os.close(descriptor)

    def _list(self, folder: str, deep: bool) -> dict[str, str]:
        found = {}
        for path in (self._root / folder).glob("**/[!.]*" if deep else "[!.]*"):
            try:
                if path.is_file():
                    found[path.relative_to(self._root).as_posix()] = _version(path.stat())
            except FileNotFoundError:  # it goes meanwhile
                continue
        return found

    def _read(self, name: str, start: int, end: int | None) -> FilePart | None:
        try:
            with (self._root / name).open("rb") as file:
                file.seek(start)
                data = file.read() if end is None else file.read(end - start)
                return FilePart(data, _version(os.fstat(file.fileno())))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _write(self, name: str, data: bytes, replaces: str | None) -> str | None:
        path = self._root / name
        file = PendingFile(path)
        with disk_errors(path, self._label), file.discarded_on_error():
            path.parent.mkdir(parents=True, exist_ok=True)
            if (_version(path.stat()) if path.exists() else None) != replaces:
                return None
            file.path.write_bytes(data)
            file.publish()
            return _version(path.stat())

    def _open(self, folder: str) -> int:
        path = self._root / folder
        with disk_errors(path, self._label):
            path.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDONLY)


async def wait_for(locked: Callable[[], Awaitable[bool]]) -> None:
    """Ask whether a lock was taken until it was.

    Raises:
        ServiceUnavailableException: it was not within `LOCK_SECONDS`.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while not await locked():
        if time.monotonic() > deadline:
            raise ServiceUnavailableException(
                "Others are being kept under the same key; try again in a moment."
            )
        await asyncio.sleep(POLL_SECONDS)


def _locked(descriptor: int) -> bool:
    """Whether an open folder is locked now by this descriptor; some network disks know no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _version(stat: os.stat_result) -> str:
    return f"{stat.st_mtime_ns}-{stat.st_size}-{stat.st_ino}"
