"""Places of generated files, and their addresses."""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from lumen.errors import InvalidInputException, NotFoundException, StorageException
from orchestrator.messages import excerpt
from orchestrator.store.files import disk_errors, kept_together
from orchestrator.store.owners import remove_ownerless

URL_PREFIX: Final = "/outputs"

RECORDS: Final = ".records"
"""Folder of the records, hidden from those who fetch files."""

IDLE: Final = "idle"
"""Folder of the idle clips of conversations, which have an address of their own."""

SERVED: Final = ("audio", "video")
FOLDERS: Final = (*SERVED, RECORDS)

_AUDIO_URL: Final = re.compile(
    r"/outputs/(audio|video)/([A-Za-z0-9_-]{1,200}\.[a-z0-9]{2,4})(?:\?token=[\w.-]{1,200})?"
)


def nothing() -> None:
    """Do nothing."""


class ClipFiles(NamedTuple):
    """Files of one clip: the video, a picture of it, and its captions."""

    video: Path
    poster: Path
    captions: Path


class Outputs:
    """The folder whose ``audio/`` and ``video/`` are served under ``/outputs``.

    Attributes:
        writing: names of what is being made in this process, and how often.
        began: called when something begins to be made.

    Args:
        sign: makes an address work for whoever gets it from the client of the request.
    """

    def __init__(self, root: Path, sign: Callable[[str], str] = str) -> None:
        self.root = root
        self._sign = sign
        self.writing: Counter[str] = Counter()
        self.began: Callable[[], object] = nothing

    @property
    def records_folder(self) -> Path:
        return self.root / RECORDS

    def create(self) -> None:
        """Make the folders that are not there (any more).

        Raises:
            StorageException: they cannot be made.
        """
        for kind in FOLDERS:
            folder = self.root / kind
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove what a process that was killed had begun to write."""
        for kind in (*FOLDERS, IDLE):
            remove_ownerless(self.root / kind)

    def files(self) -> Iterator[Path]:
        """Yield all finished files."""
        for kind in SERVED:
            for path in (self.root / kind).glob("[!.]*.*"):
                if path.is_file():
                    yield path

    def files_by_name(self, but: Collection[str]) -> dict[str, list[Path]]:
        """All finished files by their names without a suffix, ``but`` for these relative paths."""
        found: dict[str, list[Path]] = {}
        for path in self.files():
            if path.relative_to(self.root).as_posix() not in but:
                found.setdefault(path.stem, []).append(path)
        return found

    def files_of(self, name: str) -> list[Path]:
        """Finished files of this name, of whatever kind."""
        return [path for path in self.files() if path.stem == name]

    @contextmanager
    def being_made(self, name: str, *files: Path) -> Iterator[None]:
        """Keep ``files`` and the record of this name only where the block succeeds; nobody else removes them.

        Raises:
            StorageException: there is no folder for them, and none can be made.
        """
        self.create()
        self.writing[name] += 1
        self.began()
        try:
            with kept_together(*files, self.records_folder / f"{name}.json"):
                yield
        finally:
            self.writing[name] -= 1
            if not self.writing[name]:
                del self.writing[name]

    def check_writable(self) -> None:
        """Refuse, before anything starts, a folder that nothing can be written into.

        Raises:
            StorageException: the message names the folder and the setting.
        """
        try:
            self.create()
            refused = [folder for folder in self.root.iterdir() if not os.access(folder, os.W_OK | os.X_OK)]
        except (OSError, StorageException):
            refused = [self.root]
        if refused:
            raise StorageException(
                f"{refused[0]} cannot be written; set OUTPUTS_PATH to a folder that can be."
            )

    def audio(self, name: str, suffix: str = ".wav") -> Path:
        return self.root / "audio" / f"{name}{suffix}"

    def video(self, name: str) -> Path:
        return self.root / "video" / f"{name}.mp4"

    def captions(self, name: str) -> Path:
        return self.root / "video" / f"{name}.vtt"

    def poster(self, name: str) -> Path:
        return self.root / "video" / f"{name}.jpg"

    def clip(self, name: str) -> ClipFiles:
        """Files of the clip of this name."""
        return ClipFiles(self.video(name), self.poster(name), self.captions(name))

    def size(self) -> int:
        """Bytes of all files; looks at each, so not for an event loop."""
        total = 0
        for kind in ("audio", "video"):
            with contextlib.suppress(OSError), os.scandir(self.root / kind) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):  # it goes meanwhile
                        total += entry.stat().st_size
        return total

    def url(self, path: Path) -> str:
        """The address of a generated file, from the server's root."""
        return self._sign(f"{URL_PREFIX}/{path.relative_to(self.root).as_posix()}")

    def resolve(self, url: str, make: Callable[[Path], bool] = Path.is_file) -> Path:
        """The file behind the ``audio_url`` of an earlier response.

        Args:
            make: makes a file that is not there, where it can, and tells whether it is there.

        Raises:
            InvalidInputException: it does not have the form of such a URL, or leads elsewhere.
            NotFoundException: there is no such file.
        """
        match = _AUDIO_URL.fullmatch(url)
        if match is None:
            raise InvalidInputException(
                f"audio_url is {excerpt(url)!r}; expected one that an earlier response gave: "
                f"{URL_PREFIX}/audio/<name>.wav."
            )
        path = self.root / match[1] / match[2]
        if not path.is_file() and not make(path):
            raise NotFoundException(
                f"There is no file at {excerpt(url)!r} (any more); make one with /api/generate/tts."
            )
        if path.resolve().parent != (self.root / match[1]).resolve():
            raise InvalidInputException(f"audio_url {excerpt(url)!r} leads outside of {URL_PREFIX}.")
        return path
