"""Things that are kept as safetensors files, named by a hash: voices and avatars.

One thing is one file, ``<id>.safetensors``; its header tells its name, when it was made, of what, and the
key that it belongs to. A request finds what belongs to its key or to everyone; an admin's finds all.
"""

import hashlib
import logging
import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lumen.errors import ForbiddenException, InvalidInputException, NotFoundException, StorageException
from orchestrator.messages import excerpt, unknown
from orchestrator.request_context import EVERYONE, may_change, may_see, owner
from orchestrator.store.files import PendingFile, disk_errors

log = logging.getLogger("lumen")

ID: Final = re.compile(r"[0-9a-f]{32}")
"""The id of what is kept: hexadecimal digits of a hash."""

OWNER: Final = "owner"
"""Name in a header of the id of the key that the file belongs to."""

ID_CHARACTERS: Final = 32
"""128 bits of the hash."""


class Card(Protocol):
    """Description of a stored thing."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def owner(self) -> str: ...


C = TypeVar("C", bound=Card)


class TensorStore:
    """A folder of such files; every call may read files, so async code calls it in a thread.

    Args:
        folder: made when the first thing comes.
        kind: what is kept, in the singular, for messages.
        limit: so many at most.
    """

    def __init__(self, folder: Path, kind: str, limit: int) -> None:
        self._folder = folder
        self._kind = kind
        self._limit = limit
        self.adding = threading.Lock()

    def path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def header(self, key: str) -> Mapping[str, str] | None:
        """Header of the file of this id; None when it is not there, damaged, or another key's."""
        header = self._header(key)
        return header if header is not None and may_see(owner_in(header)) else None

    def count(self, without: str) -> int:
        """Count those that are kept besides the one of this id, whomever they belong to."""
        return sum(path.stem != without for path in self._paths())

    def _header(self, key: str) -> Mapping[str, str] | None:
        if not ID.fullmatch(key):
            return None
        try:
            with safe_open(self.path(key), framework="np") as file:
                return file.metadata() or {}
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError) as error:
            self.damaged(key, error)
            return None

    def headers(self) -> dict[str, Mapping[str, str]]:
        """The headers of all that are whole and that the request may see, by id."""
        found = {path.stem: self.header(path.stem) for path in self._paths()}
        return {key: header for key, header in found.items() if header is not None}

    def _paths(self) -> list[Path]:
        return [path for path in self._folder.glob("*.safetensors") if ID.fullmatch(path.stem)]

    def damaged(self, key: str, error: Exception) -> None:
        log.warning("The %s %s is damaged: %s", self._kind, self.path(key).name, error)

    def check(self, name: str, others: Iterable[Card], kept: int, reserved: Iterable[str] = ()) -> None:
        """Refuse a name that one of ``others`` has, or one thing too many where ``kept`` others are.

        Raises:
            InvalidInputException: another one has the name.
            StorageException: there are as many as may be.
        """
        others = list(others)
        taken = {*reserved, *(folded(card.name) for card in others), *(card.id for card in others)}
        if folded(name) in taken:
            raise InvalidInputException(f"name: {name!r} is another {self._kind}'s; choose another one.")
        if kept >= self._limit:
            raise StorageException(
                f"There are {self._limit} {self._kind}s, which is all that are kept; remove one."
            )

    def write(
        self, key: str, tensors: Mapping[str, npt.NDArray[Any]], header: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Keep it under its id for the request's key, whole or not at all; one of the same id is replaced.

        Returns:
            the header that its file has.

        Raises:
            StorageException: the disk is full.
        """
        path, header = self.path(key), {**header, OWNER: owner.get()}
        file = PendingFile(path)
        with disk_errors(path, f"{self._kind}s"), file.discarded_on_error():
            self._folder.mkdir(parents=True, exist_ok=True)
            file.path.write_bytes(save(dict(tensors), header))
            file.publish()
        return header

    def remove(self, key: str) -> None:
        """Remove it by its id.

        Raises:
            NotFoundException: there is none.
            ForbiddenException: it belongs to everyone, so only an admin removes it.
        """
        path, found = self.path(key), self._owner(key)
        if found is None or not may_see(found):
            raise NotFoundException(
                f"There is no {self._kind} of the id {excerpt(key)!r}; GET /api/{self._kind}s lists them."
            )
        if not may_change(found):
            raise ForbiddenException(
                f"The {self._kind} belongs to everyone; a key with the scope admin removes it."
            )
        with disk_errors(path, f"{self._kind}s"):
            path.unlink(missing_ok=True)

    def _owner(self, key: str) -> str | None:
        """Key that the file of this id belongs to, a damaged one to everyone; None where there is none."""
        if not ID.fullmatch(key) or not self.path(key).is_file():
            return None
        header = self._header(key)
        return EVERYONE if header is None else owner_in(header)

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


def owner_in(header: Mapping[str, str]) -> str:
    """Id of the key that a file belongs to by its header; those without a word of it are everyone's."""
    return header.get(OWNER, EVERYONE)


def owned(digest: "hashlib._Hash") -> str:
    """The id of a hash: one of its own for each key, so that nobody learns what others have."""
    if (key := owner.get()) != EVERYONE:
        digest.update(f"owner {key}".encode())
    return digest.hexdigest()[:ID_CHARACTERS]


def folded(name: str) -> str:
    """The same for names that look the same: in any case, composed or not, wide or not."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()
