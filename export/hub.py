"""Fetches files from a Hugging Face hub: resumed where they were cut off, and checked byte for byte."""

import hashlib
import importlib
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from lumen.errors import (
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    StorageException,
)
from lumen.files import hash_of, sha256

SHA256: Final = re.compile("[0-9a-f]{64}")
"""What the hub calls a large file's version."""

GIT_BLOB: Final = re.compile("[0-9a-f]{40}")
"""What it calls a small file's version: git's hash of its content."""


@dataclass(frozen=True)
class HubRepository:
    """Where files come from.

    Attributes:
        name: such as ``owner/model``.
        revision: a branch, tag or commit.
        endpoint: the hub's address; None for HF_ENDPOINT, or else the public hub.
        token: None for HF_TOKEN, or else the one that the hub's own client has stored.
    """

    name: str
    revision: str = "main"
    endpoint: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class _Remote:
    """A file as the hub describes it: ``version`` is its hash, ``size`` is in bytes."""

    name: str
    address: str
    version: str
    size: int
    commit: str
    headers: dict[str, str]


def fetch(repository: HubRepository, names: Sequence[str], folder: Path) -> list[Path]:
    """Bring files into ``folder``, all of the same commit.

    A file that is there and whole is not fetched again; one that was cut off goes on where it
    stopped. A file has its own name only after its hash was checked.

    Returns:
        The files, in the order of ``names``.

    Raises:
        InvalidInputException: the hub refuses, has no such file, or another file lies in its place.
        ServiceUnavailableException: the hub cannot be reached, or what came is damaged.
        StorageException: there is no room, or the folder cannot be written.
    """
    paths: list[Path] = []
    commit = repository.revision
    for name in names:
        with _told(repository, name, folder):
            folder.mkdir(parents=True, exist_ok=True)
            remote = _ask(repository, name, commit)
            commit = remote.commit
            paths.append(_fetch_one(remote, folder))
    return paths


def _ask(repository: HubRepository, name: str, revision: str) -> _Remote:
    hub: Any = importlib.import_module("huggingface_hub")
    address = hub.hf_hub_url(repository.name, name, revision=revision, endpoint=repository.endpoint)
    about = hub.get_hf_file_metadata(address, token=repository.token, endpoint=repository.endpoint)
    if about.etag is None or about.size is None or about.commit_hash is None:
        raise ServiceUnavailableException(
            f"{urlsplit(address).netloc} did not say version and size of {name}: it is no Hugging Face "
            "hub; check HF_ENDPOINT."
        )
    headers = hub.utils.build_hf_headers(token=repository.token)
    if urlsplit(about.location).netloc != urlsplit(address).netloc:
        headers.pop("authorization", None)  # storage elsewhere must not learn the token
    return _Remote(name, about.location, about.etag, about.size, about.commit_hash, headers)


def _fetch_one(remote: _Remote, folder: Path) -> Path:
    path = folder / remote.name
    if path.exists():
        if not _is_whole(path, remote):
            raise InvalidInputException(
                f"{path} is another file than the hub's {remote.version[:12]}; remove it, or name another "
                "folder."
            )
        return path
    partial = folder / f".{remote.name}.{remote.version[:16]}.incomplete"
    _download(remote, partial)
    if not _is_whole(partial, remote):
        partial.unlink()
        raise ServiceUnavailableException(
            f"{remote.name} arrived damaged: its hash is not the hub's {remote.version[:12]}; run the "
            "command again."
        )
    return partial.rename(path)


def _download(remote: _Remote, partial: Path) -> None:
    """Fetch what is missing of ``partial``. The hub's own client would begin anew in every process."""
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


def _is_whole(path: Path, remote: _Remote) -> bool:
    if path.stat().st_size != remote.size:
        return False
    if SHA256.fullmatch(remote.version):
        return sha256(path) == remote.version
    if GIT_BLOB.fullmatch(remote.version):
        blob = hashlib.sha1(f"blob {remote.size}\0".encode(), usedforsecurity=False)
        return hash_of(path, blob) == remote.version
    return True


@contextmanager
def _told(repository: HubRepository, name: str, folder: Path) -> Iterator[None]:
    """The errors of the hub's client and of the disk, as one line that says what to do."""
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        yield
    except errors.GatedRepoError as error:
        raise InvalidInputException(
            f"The hub gives {repository.name} to those only who accepted its terms there; accept them, and "
            "put a token of that account into HF_TOKEN."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InvalidInputException(
            f"{repository.name} has no revision {repository.revision!r}; name a branch, tag or commit of it."
        ) from error
    except errors.EntryNotFoundError as error:
        raise InvalidInputException(
            f"{repository.name} has no file {name} at {repository.revision!r}; name another --revision."
        ) from error
    except errors.HfHubHTTPError as error:
        raise _refused(repository, name, error.response.status_code) from error
    except errors.HTTPError as error:
        raise ServiceUnavailableException(
            f"No connection to the hub for {name} ({error or type(error).__name__}); what came is kept: run "
            "the command again to go on."
        ) from error
    except OSError as error:
        raise _disk_or_cut(error, name, folder) from error


def _refused(repository: HubRepository, name: str, status: int) -> LumenException:
    if status in (401, 403, 404):
        return InvalidInputException(
            f"The hub answered {status} for {repository.name}: there is none, or it wants a token that may "
            "read it in HF_TOKEN."
        )
    return ServiceUnavailableException(
        f"The hub answered {status} for {name}; what came is kept: run the command again to go on."
    )


def _disk_or_cut(error: OSError, name: str, folder: Path) -> LumenException:
    if error.errno is not None:
        return StorageException(f"Cannot write {name} into {folder}: {error.strerror}; what came is kept.")
    return ServiceUnavailableException(
        f"{name} was cut off ({str(error).splitlines()[0][:80]}); run the command again to go on."
    )
