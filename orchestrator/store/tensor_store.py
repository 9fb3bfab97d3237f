"""Things that are kept as safetensors files, named by a hash: voices and avatars.

One thing is one file, ``<id>.safetensors``; its header tells its name, when it was made, and of what.
"""

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

from lumen.errors import InvalidInputException, NotFoundException, StorageException
from orchestrator.messages import excerpt, unknown
from orchestrator.store.files import PendingFile, disk_errors

log = logging.getLogger("lumen")

ID: Final = re.compile(r"[0-9a-f]{32}")
"""The id of what is kept: hexadecimal digits of a hash."""

ID_CHARACTERS: Final = 32
"""128 bits of the hash."""


class Card(Protocol):
    """Description of a stored thing."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


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
        """Header of the file of this id; None when it is not there or damaged."""
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
        """The headers of all that are whole, by id."""
        paths = [path for path in self._folder.glob("*.safetensors") if ID.fullmatch(path.stem)]
        found = {path.stem: self.header(path.stem) for path in paths}
        return {key: header for key, header in found.items() if header is not None}

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

    def write(self, key: str, tensors: Mapping[str, npt.NDArray[Any]], header: Mapping[str, str]) -> None:
        """Keep it under its id, whole or not at all; one of the same id is replaced.

        Raises:
            StorageException: the disk is full.
        """
        path = self.path(key)
        file = PendingFile(path)
        with disk_errors(path, f"{self._kind}s"), file.discarded_on_error():
            self._folder.mkdir(parents=True, exist_ok=True)
            file.path.write_bytes(save(dict(tensors), dict(header)))
            file.publish()

    def remove(self, key: str) -> None:
        """Remove it by its id.

        Raises:
            NotFoundException: there is none.
        """
        path = self.path(key)
        if not ID.fullmatch(key) or not path.is_file():
            raise NotFoundException(
                f"There is no {self._kind} of the id {excerpt(key)!r}; GET /api/{self._kind}s lists them."
            )
        with disk_errors(path, f"{self._kind}s"):
            path.unlink(missing_ok=True)

    def pick(self, name: str, cards: Iterable[C]) -> C:
        """The one of ``cards`` with this name, in any case of letters.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: several have this name.
        """
        cards = list(cards)
        found = [card for card in cards if folded(name) == folded(card.name)]
        if len(found) > 1:
            ids = ", ".join(card.id for card in found)
            raise InvalidInputException(f"{len(found)} {self._kind}s are called {name!r}; send an id: {ids}.")
        if not found:
            raise NotFoundException(unknown(self._kind, name, [card.name for card in cards]))
        return found[0]


def folded(name: str) -> str:
    """The same for names that look the same: in any case, composed or not, wide or not."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()
