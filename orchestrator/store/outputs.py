"""Places of generated files, and their addresses."""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from lumen.errors import InvalidInputException, NotFoundException, StorageException
from orchestrator.messages import excerpt
from orchestrator.store.files import disk_errors
from orchestrator.store.owners import remove_ownerless

URL_PREFIX: Final = "/outputs"

_AUDIO_URL: Final = re.compile(r"/outputs/(audio|video)/([A-Za-z0-9_-]{1,200}\.[a-z0-9]{2,4})")


class ClipFiles(NamedTuple):
    """Files of one clip: the video, its speech alone, a picture of it, and its captions."""

    video: Path
    audio: Path
    poster: Path
    captions: Path


class Outputs:
    """The folder whose ``audio/`` and ``video/`` are served under ``/outputs``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self) -> None:
        """Make the folders that are not there (any more).

        Raises:
            StorageException: they cannot be made.
        """
        for kind in ("audio", "video"):
            folder = self.root / kind
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove what a process that was killed had begun to write."""
        for kind in ("audio", "video"):
            remove_ownerless(self.root / kind)

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

    def audio(self, name: str) -> Path:
        return self.root / "audio" / f"{name}.wav"

    def video(self, name: str) -> Path:
        return self.root / "video" / f"{name}.mp4"

    def captions(self, name: str) -> Path:
        return self.root / "video" / f"{name}.vtt"

    def poster(self, name: str) -> Path:
        return self.root / "video" / f"{name}.jpg"

    def clip(self, name: str) -> ClipFiles:
        """Files of the clip of this name."""
        return ClipFiles(self.video(name), self.audio(name), self.poster(name), self.captions(name))

    def url(self, path: Path) -> str:
        """The address of a generated file, from the server's root."""
        return f"{URL_PREFIX}/{path.relative_to(self.root).as_posix()}"

    def resolve(self, url: str) -> Path:
        """The file behind the ``audio_url`` of an earlier response.

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
        if not path.is_file():
            raise NotFoundException(f"There is no file at {excerpt(url)!r}; make one with /api/generate/tts.")
        if path.resolve().parent != (self.root / match[1]).resolve():
            raise InvalidInputException(f"audio_url {excerpt(url)!r} leads outside of {URL_PREFIX}.")
        return path
