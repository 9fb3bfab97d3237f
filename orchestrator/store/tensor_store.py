"""Things that are kept as safetensors files, named by a hash: voices and avatars.

One thing is one file, whose head tells its name, when it was made, of what, and the key that it belongs to.
That of a key is ``owners/<key>/<id>.safetensors``, everyone's is ``<id>.safetensors``: a request looks into
its key's folder and into everyone's, an admin's into all.
"""

import asyncio
import hashlib
import logging
import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakValueDictionary

import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lumen.aio import Stream
from lumen.errors import (
    ForbiddenException,
    InvalidInputException,
    NotFoundException,
    ServiceUnavailableException,
    StorageException,
)
from lumen.lru_cache import LruCache
from orchestrator.messages import excerpt, unknown
from orchestrator.request_context import EVERYONE, may_change, may_see, owner, sees_all
from orchestrator.store.file_store import FilePart, FileStore
from orchestrator.store.tensor_header import TensorHeader, head_bytes, read_head

log = logging.getLogger("lumen")

ID: Final = re.compile(r"[0-9a-f]{32}")
"""The id of what is kept: hexadecimal digits of a hash."""

ID_CHARACTERS: Final = 32
"""128 bits of the hash."""

SUFFIX: Final = ".safetensors"

OWNERS: Final = "owners"
"""Folder of the folders of the keys."""

OWNER: Final = "owner"
"""Name in a head of the id of the key that the file belongs to."""

HEAD_BYTES: Final = 16_384
"""Bytes of a file that are read to know its head: enough for almost all."""

HEADS_AT_ONCE: Final = 8
"""Files whose heads are read at once."""

KEPT_HEADS: Final = 10_000
"""Heads that are kept in memory: 2 kB each."""

Tensors = Mapping[str, npt.NDArray[Any]]


class Card(Protocol):
    """Description of a stored thing."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def owner(self) -> str: ...


C = TypeVar("C", bound=Card)


@dataclass(frozen=True)
class Stored:
    """A file of a store, as its head describes it.

    Attributes:
        file: its name in the store.
        owner: id of the key that it belongs to.
        head: None where the file is damaged.
    """

    file: str
    version: str
    owner: str
    head: TensorHeader | None

    @property
    def id(self) -> str:
        return PurePosixPath(self.file).stem

    @property
    def header(self) -> Mapping[str, str]:
        """Texts of its head."""
        return {} if self.head is None else self.head.metadata


class TensorStore:
    """Such files in a folder or a bucket; belongs to one event loop.

    All methods raise ServiceUnavailableException where the bucket's server is away.

    Args:
        kind: what is kept, in the singular, for messages.
        limit: so many at most for each key, and for everyone.
    """

    def __init__(self, files: FileStore, kind: str, limit: int) -> None:
        self._files = files
        self._kind = kind
        self._limit = limit
        self._heads: LruCache[tuple[str, str], Stored] = LruCache(KEPT_HEADS)
        self._adding: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(self, key: str) -> Stored | None:
        """The file of this id; None when it is not there, damaged, or another key's."""
        async with aclosing(self._of_id(key)) as found:
            async for stored in found:
                if stored.head is not None and may_see(stored.owner):
                    return stored
        return None

    async def all(self) -> list[Stored]:
        """All files that are whole and that the request may see, each id once."""
        versions = {**await self._files.list(folder_of(EVERYONE), deep=sees_all())}
        if owner.get() != EVERYONE and not sees_all():
            versions |= await self._files.list(folder_of(owner.get()))
        # Of the same id, that in a key's folder comes first, as `find` has it.
        names = sorted(filter(_is_ours, versions), reverse=True)
        found: dict[str, Stored] = {}
        for stored in await self._looked_at({name: versions[name] for name in names}):
            if stored.head is not None and may_see(stored.owner):
                found.setdefault(stored.id, stored)
        return list(found.values())

    async def ids(self) -> set[str]:
        """The ids of all files, damaged ones too, whoever owns them and whoever asks."""
        files = await self._files.list(folder_of(EVERYONE), deep=True)
        return {PurePosixPath(name).stem for name in filter(_is_ours, files)}

    async def tensors(self, stored: Stored) -> Tensors:
        """Read all tensors of a file.

        Raises:
            NotFoundException: it was removed, or is damaged.
        """
        part = await self._files.read(stored.file, version=stored.version)
        try:
            if part is not None:
                return await asyncio.to_thread(load, part.data)
        except SafetensorError as error:
            self.damaged(stored, error)
        raise NotFoundException(
            f"The {self._kind} {stored.header.get('name', stored.id)!r} is not there any more."
        )

    async def data(self, stored: Stored, tensor: str) -> bytes | None:
        """Read the bytes of one tensor and no more; None where the file has none of this name, or is gone."""
        span = None if stored.head is None else stored.head.spans.get(tensor)
        part = None if span is None else await self._files.read(stored.file, *span, stored.version)
        return None if part is None or part.version != stored.version else part.data

    @asynccontextmanager
    async def adding(self) -> AsyncIterator[None]:
        """Keep others out who add something for the request's key, here and in other processes.

        Raises:
            StorageException: the disk cannot be written.
        """
        folder = folder_of(owner.get())
        async with self._adding.setdefault(folder, asyncio.Lock()), self._files.lock(folder):
            yield

    def check(self, name: str, cards: Iterable[Card], key: str, reserved: Iterable[str] = ()) -> None:
        """Refuse a name that one of ``cards`` has, or one thing too many for the request's key.

        Args:
            key: id of the thing that is named so; its own card is no other one.

        Raises:
            InvalidInputException: another one has the name.
            StorageException: there are as many as may be.
        """
        others = [card for card in cards if card.id != key]
        taken = {*reserved, *(folded(card.name) for card in others), *(card.id for card in others)}
        if folded(name) in taken:
            raise InvalidInputException(f"name: {name!r} is another {self._kind}'s; choose another one.")
        own = [card for card in others if ID.fullmatch(card.id) and card.owner == owner.get()]
        if len(own) >= self._limit:
            raise StorageException(
                f"You have {self._limit} {self._kind}s already, as many as may be kept; remove one."
            )

    async def write(self, key: str, tensors: Tensors, header: Mapping[str, str]) -> Stored:
        """Keep it under its id for the request's key, whole or not at all; one of the same id is replaced.

        Raises:
            StorageException: the disk is full.
            ServiceUnavailableException: it was kept or replaced elsewhere at the same moment.
        """
        file = _file(owner.get(), key)
        data = await asyncio.to_thread(save, dict(tensors), {**header, OWNER: owner.get()})
        known = (await self._files.list(folder_of(owner.get()))).get(file)
        version = await self._files.write(file, data, known)
        if version is None:
            raise ServiceUnavailableException(f"The {self._kind} is being made elsewhere; ask for it again.")
        return Stored(file, version, owner.get(), read_head(data))

    async def remove(self, key: str) -> None:
        """Remove it by its id.

        Raises:
            NotFoundException: there is none.
            ForbiddenException: it belongs to everyone, so only an admin removes it.
        """
        seen = [stored async for stored in self._of_id(key) if may_see(stored.owner)]
        changed = [stored for stored in seen if may_change(stored.owner)]
        if not seen:
            raise NotFoundException(
                f"There is no {self._kind} of the id {excerpt(key)!r}; GET /api/{self._kind}s lists them."
            )
        if not changed:
            raise ForbiddenException(
                f"The {self._kind} belongs to everyone; a key with the scope admin removes it."
            )
        for stored in changed:
            await self._files.remove(stored.file)

    def pick(self, name: str, cards: Iterable[C]) -> C:
        """The one of ``cards`` with this name, in any case of letters; one of the request's key comes first.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: several have this name.
        """
        cards = list(cards)
        named = [card for card in cards if folded(name) == folded(card.name)]
        found = [card for card in named if card.owner == owner.get()] or named
        if len(found) > 1:
            ids = ", ".join(card.id for card in found)
            raise InvalidInputException(f"{len(found)} {self._kind}s are called {name!r}; send an id: {ids}.")
        if not found:
            raise NotFoundException(unknown(self._kind, name, [card.name for card in cards]))
        return found[0]

    def damaged(self, stored: Stored, error: Exception) -> None:
        log.warning("The %s %s is damaged: %s", self._kind, PurePosixPath(stored.file).name, error)

    async def _of_id(self, key: str) -> Stream[Stored]:
        """The files of this id in all folders that the request looks into, damaged ones too."""
        if not ID.fullmatch(key):
            return
        files = list(dict.fromkeys(_file(place, key) for place in (owner.get(), EVERYONE)))
        for file in files:
            if (part := await self._files.read(file, 0, HEAD_BYTES)) is not None:
                yield await self._look(file, part)
        others = await self._files.list("", deep=True) if sees_all() else {}
        elsewhere = [name for name in others if _is_ours(name) and PurePosixPath(name).stem == key]
        for stored in await self._looked_at({name: others[name] for name in elsewhere if name not in files}):
            yield stored

    async def _looked_at(self, versions: Mapping[str, str]) -> list[Stored]:
        """Read the heads of files; one that is gone by now is left out."""
        places = asyncio.Semaphore(HEADS_AT_ONCE)

        async def look(file: str, version: str) -> Stored | None:
            if (known := self._heads.get((file, version))) is not None:
                return known
            async with places:
                part = await self._files.read(file, 0, HEAD_BYTES)
                return None if part is None else await self._look(file, part)

        found = await asyncio.gather(*(look(*item) for item in versions.items()))
        return [stored for stored in found if stored is not None]

    async def _look(self, file: str, part: FilePart) -> Stored:
        """Read a file's head, from its first bytes or from more of them."""
        if (known := self._heads.get((file, part.version))) is not None:
            return known
        place = PurePosixPath(file).parent.name
        stored = Stored(file, part.version, place, None)
        try:
            if (end := head_bytes(part.data)) > len(part.data):
                part = await self._files.read(file, 0, end) or part
            head = read_head(part.data)
            stored = Stored(file, part.version, head.metadata.get(OWNER, place), head)
        except ValueError as error:
            self.damaged(stored, error)
        self._heads.put((file, part.version), stored)
        return stored


async def copy_all(source: FileStore, target: FileStore) -> tuple[int, int]:
    """Copy all that is kept at one place to another, where what is there already stays.

    Returns:
        how many files were copied, and how many were there.

    Raises:
        StorageException: the target's disk is full.
        ServiceUnavailableException: a bucket's server is away; what was copied stays.
    """
    copied = there = 0
    for name in filter(_is_ours, await source.list("", deep=True)):
        part = await source.read(name)
        if part is not None:
            new = await target.write(name, part.data) is not None
            copied, there = copied + new, there + (not new)
    return copied, there


def folder_of(key: str) -> str:
    """The folder of what belongs to a key; "", the topmost, of what is everyone's."""
    return "" if key == EVERYONE else f"{OWNERS}/{key}"


def _file(key: str, name: str) -> str:
    return f"{folder_of(key)}/{name}{SUFFIX}".lstrip("/")


def _is_ours(file: str) -> bool:
    """Whether a file has the name of one that is kept."""
    path = PurePosixPath(file)
    return path.suffix == SUFFIX and ID.fullmatch(path.stem) is not None


def owned(digest: "hashlib._Hash") -> str:
    """The id of a hash: one of its own for each key, so that nobody learns what others have."""
    if (key := owner.get()) != EVERYONE:
        digest.update(f"owner {key}".encode())
    return digest.hexdigest()[:ID_CHARACTERS]


def folded(name: str) -> str:
    """The same for names that look the same: in any case, composed or not, wide or not."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()
