"""Small files in a bucket that several APIs share, and what was read of them in memory."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from lumen.errors import LumenException, ServiceUnavailableException
from lumen.lru_cache import LruCache
from lumen.settings import Settings
from orchestrator.store.file_store import FilePart, FileStore, FolderStore, wait_for
from orchestrator.store.objects import Objects, objects_of

log = logging.getLogger("lumen")

LOCK: Final = ".lock"
"""Name of the object that stands for the lock of a folder."""

LEASE_SECONDS: Final = 10.0
"""Time for which a lock is held at most: of a process that was killed it is taken over after that."""


class BucketStore:
    """Files under a prefix of a bucket; see `FileStore`.

    Whole files are kept in memory under their version, and the bucket is asked at each use whether that is
    still the one: what another process removes or replaces is gone or new here at once.

    Args:
        root: prefix of the names.
        cache_bytes: of the files in memory, at most.
    """

    def __init__(self, objects: Objects, root: str, cache_bytes: int) -> None:
        self._objects = objects
        self._root = root
        self._whole: LruCache[str, FilePart] = LruCache(cache_bytes, lambda part: len(part.data))

    async def list(self, folder: str, *, deep: bool = False) -> Mapping[str, str]:
        prefix = f"{self._root}/{folder}".rstrip("/")
        versions = await self._objects.versions(prefix, deep=deep)
        return {
            key.removeprefix(f"{self._root}/"): version
            for key, version in versions.items()
            # Some servers list a folder that was emptied as an object.
            if key.startswith(f"{prefix}/") and not key.rpartition("/")[2].startswith(".")
        }

    async def read(
        self, name: str, start: int = 0, end: int | None = None, version: str | None = None
    ) -> FilePart | None:
        part = self._whole.get(name)
        if part is None and end is not None:
            return await self._objects.read(self._key(name), span=(start, end))
        if part is None or part.version != version:
            part = await self._objects.read(self._key(name), known=part)
            if part is None:
                self._whole.remove(name)
                return None
            self._whole.put(name, part)
        return FilePart(part.data[start:end], part.version)

    async def write(self, name: str, data: bytes, replaces: str | None = None) -> str | None:
        return await self._objects.write(self._key(name), data, replaces)

    async def remove(self, name: str) -> None:
        await self._objects.remove(self._key(name))
        self._whole.remove(name)

    @asynccontextmanager
    async def lock(self, folder: str) -> AsyncIterator[None]:
        """See `FileStore`; an object that one process creates, and that is worth nothing after a while."""
        lock = _Lock(self._objects, self._key(f"{folder}/{LOCK}".lstrip("/")))
        await wait_for(lock.take)
        try:
            async with asyncio.timeout(lock.seconds_left()):
                yield
        except TimeoutError as error:
            raise ServiceUnavailableException(
                "The store of OBJECTS_URL is too slow; try again in a moment."
            ) from error
        finally:
            await lock.release()

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}"


class _Lock:
    """A lock in a bucket. Who waits watches how long it stays the same, so no clocks are compared."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects = objects
        self._key = key
        self._token = uuid.uuid4().hex.encode()
        self._begun = 0.0
        self._seen = ""
        self._since = 0.0

    def seconds_left(self) -> float:
        """Time until others may take it over, once it is taken."""
        return self._begun + LEASE_SECONDS - time.monotonic()

    async def take(self) -> bool:
        """Try to take it, over from somebody else where that one has had it for `LEASE_SECONDS`."""
        self._begun = time.monotonic()
        if await self._objects.write(self._key, self._token) is not None:
            return True
        held = await self._objects.read(self._key)
        if held is None:
            return False
        if held.data == self._token:  # the answer to an earlier try was lost
            return True
        if held.version != self._seen:
            self._seen, self._since = held.version, time.monotonic()
        if time.monotonic() - self._since < LEASE_SECONDS:
            return False
        log.info("The lock %s is taken over: its holder is gone", self._key)
        return await self._objects.write(self._key, self._token, held.version) is not None

    async def release(self) -> None:
        """Let it go, unless it may be another's by now; where that fails it ends by itself."""
        if self.seconds_left() > 0:
            with suppress(LumenException):
                await self._objects.remove(self._key)


def files_of(settings: Settings, folder: Path, label: str) -> FileStore:
    """The files of a folder, or those of the same names in the bucket where the settings name one.

    Args:
        label: what is in it, in the plural, and the prefix in the bucket.
    """
    objects = objects_of(settings)
    if objects is None:
        return FolderStore(folder, label)
    return BucketStore(objects, label, settings.objects_cache_bytes)
