"""Brings a file whose hash is known onto the disk: resumed where it was cut off, checked byte for byte."""

import hashlib
import importlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lumen.errors import (
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    StorageException,
)
from lumen.files import hash_of, sha256

SHA256: Final = re.compile("[0-9a-f]{64}")
"""Version of a hub's large file, or of a release's file."""

GIT_BLOB: Final = re.compile("[0-9a-f]{40}")
"""Version of a hub's small file: git's hash of its content."""


@dataclass(frozen=True)
class Remote:
    """A file that can be fetched.

    Attributes:
        source: where it comes from, for messages, such as ``the hub``.
        version: its hash; another hash is not checked.
        size: bytes.
        headers: sent with the requests for its content.
    """

    source: str
    name: str
    address: str
    version: str
    size: int
    headers: dict[str, str] = field(default_factory=dict)


def present(remote: Remote, folder: Path) -> Path | None:
    """The file, if it is in ``folder`` and whole; None if it has to be fetched.

    Raises:
        InvalidInputException: another file lies in its place.
    """
    path = folder / remote.name
    if not path.exists():
        return None
    if not _is_whole(path, remote):
        raise InvalidInputException(
            f"{path} is another file than {remote.source}'s {remote.version[:12]}; remove it, or name "
            "another folder."
        )
    return path


def receive(remote: Remote, folder: Path) -> Path:
    """Fetch the file, or what is missing of it; it has its own name only after its hash was checked.

    What came of it lies under a name that carries the hash: whoever serves it next, the rest fits.

    Raises:
        ServiceUnavailableException: what came is damaged, and removed.
        StorageException: there is no room.
        OSError: it was cut off, or cannot be written; :func:`told` says so in a line.
    """
    partial = folder / f".{remote.name}.{remote.version[:16]}.incomplete"
    _download(remote, partial)
    if not _is_whole(partial, remote):
        partial.unlink()
        raise ServiceUnavailableException(
            f"{remote.name} arrived damaged: its hash is not {remote.source}'s {remote.version[:12]}; run "
            "the command again."
        )
    return partial.rename(folder / remote.name)


@contextmanager
def translate_errors(source: str, name: str, folder: Path) -> Iterator[None]:
    """The errors of the network and of the disk, as one line that says what to do."""
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        yield
    except errors.HTTPError as error:
        raise ServiceUnavailableException(
            f"No connection to {source} for {name} ({error or type(error).__name__}); what came is kept: run "
            "the command again to go on."
        ) from error
    except OSError as error:
        raise _disk_or_cut(error, name, folder) from error


def _download(remote: Remote, partial: Path) -> None:
    """Fetch what is missing of ``partial``.

    The hub's client does it, for any server: it retries where a connection breaks and begins anew
    where a server ignores the Range. By itself it would begin anew in every process.
    """
    files: Any = importlib.import_module("huggingface_hub.file_download")
    partial.touch()
    have = partial.stat().st_size
    if have > remote.size:
        partial.write_bytes(b"")
        have = 0
    _check_room(partial.parent, remote.size - have)
    with partial.open("r+b") as file:
        file.seek(have)
        files.http_get(
            remote.address,
            file,
            resume_size=have,
            headers=remote.headers,
            expected_size=remote.size,
            displayed_filename=remote.name,
        )


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageException(
            f"{folder} has {free / 2**30:.1f} GiB free, {needed / 2**30:.1f} GiB are still to come; make "
            "room, or name another folder."
        )


def _is_whole(path: Path, remote: Remote) -> bool:
    if path.stat().st_size != remote.size:
        return False
    if SHA256.fullmatch(remote.version):
        return sha256(path) == remote.version
    if GIT_BLOB.fullmatch(remote.version):
        blob = hashlib.sha1(f"blob {remote.size}\0".encode(), usedforsecurity=False)
        return hash_of(path, blob) == remote.version
    return True


def _disk_or_cut(error: OSError, name: str, folder: Path) -> LumenException:
    if error.errno is not None:
        return StorageException(f"Cannot write {name} into {folder}: {error.strerror}; what came is kept.")
    return ServiceUnavailableException(
        f"{name} was cut off ({str(error).splitlines()[0][:80]}); run the command again to go on."
    )
