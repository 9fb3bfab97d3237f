"""Paths for Triton's Python backend, which starts the processes of models through a shell without quoting."""

import os
import re
import tempfile
from pathlib import Path
from typing import Final

from lumen.errors import StorageException

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+=,@%-]+")
"""Paths that a shell takes as they are."""

_FOLDERS: Final = ("/tmp", "/var/tmp", "/dev/shm")


def plain_path(path: Path, link: Path) -> Path:
    """``path`` where a shell takes it as it is, else ``link``, which is made and leads to it."""
    if _is_plain(path):
        return path
    link.symlink_to(path.resolve(), target_is_directory=True)
    return link


def plain_folder() -> Path:
    """Folder for temporary files whose path a shell takes as it is: the system's own if it is one.

    Raises:
        StorageException: there is none that can be written.
    """
    for folder in map(Path, (tempfile.gettempdir(), *_FOLDERS)):
        if _is_plain(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise StorageException(
        f"Triton needs a folder without blanks and special characters, and {tempfile.gettempdir()} has some "
        f"and {', '.join(_FOLDERS)} cannot be written; set TMPDIR to another folder."
    )


def _is_plain(path: Path) -> bool:
    return _PLAIN.fullmatch(str(path)) is not None
