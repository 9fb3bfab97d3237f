"""Fetches files of GitHub releases: resumed where they were cut off, and checked byte for byte."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from export.transfer import Remote, present, receive, translate_errors
from lumen.errors import InvalidInputException, LumenException, ServiceUnavailableException

GITHUB: Final = "https://github.com"

ENDPOINT: Final = "GITHUB_ENDPOINT"
"""The setting that names a mirror."""

NO_HEAD: Final = (403, 405, 501)
"""Statuses of servers that give files, but will not talk about them beforehand."""

HEAD_SECONDS: Final = 20.0
HEAD_RETRIES: Final = 3


@dataclass(frozen=True)
class Asset:
    """Expected size in bytes and SHA-256 of a released file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """Files of one release.

    Attributes:
        project: such as ``owner/name``.
        assets: by file name.
        endpoint: GitHub's address, or that of a mirror with GitHub's paths.
    """

    project: str
    tag: str
    assets: Mapping[str, Asset]
    endpoint: str = GITHUB

    def remote(self, name: str) -> Remote:
        """Address of a file, with its expected size and hash."""
        address = f"{self.endpoint.rstrip('/')}/{self.project}/releases/download/{self.tag}/{name}"
        return Remote("the release", name, address, self.assets[name].sha256, self.assets[name].size)


def fetch(release: Release, names: Sequence[str], folder: Path) -> list[Path]:
    """Bring files of a release into ``folder``.

    No server is asked for a file that is there and whole; one that was cut off goes on where it
    stopped, from a mirror too. A file has its own name only after its SHA-256 was checked.

    Returns:
        The files, in the order of ``names``.

    Raises:
        InvalidInputException: there is no such file, or another one lies in its place.
        ServiceUnavailableException: the server cannot be reached, or has another file.
        StorageException: there is no room, or the folder cannot be written.
    """
    return [_fetch_one(release.remote(name), folder) for name in names]


def _fetch_one(remote: Remote, folder: Path) -> Path:
    server = urlsplit(remote.address).netloc
    with translate_errors(server, remote.name, folder), _translate_refusals(remote):
        folder.mkdir(parents=True, exist_ok=True)
        path = present(remote, folder)
        return path or receive(replace(remote, headers=_headers(remote)), folder)


def _headers(remote: Remote) -> dict[str, str]:
    """Headers that hold a transfer to the content that the server announces now: Range with If-Range.

    A server whose file changes while the connection is away then sends all of the new one, in place
    of a rest that does not fit.

    Raises:
        InvalidInputException: there is no such file.
        ServiceUnavailableException: the file there has another size.
    """
    utils: Any = importlib.import_module("huggingface_hub.utils")
    plain = {"Accept-Encoding": "identity"}
    about = utils.http_backoff(
        "HEAD", remote.address, headers=plain, timeout=HEAD_SECONDS, max_retries=HEAD_RETRIES
    )
    if about.status_code in NO_HEAD:
        return plain
    utils.hf_raise_for_status(about)
    size, etag = about.headers.get("Content-Length"), about.headers.get("ETag", "")
    if size is not None and int(size) != remote.size:
        raise ServiceUnavailableException(
            f"{remote.address} has {int(size):,} bytes, expected {remote.size:,}: it is not the "
            f"released file; check {ENDPOINT}."
        )
    if not etag.startswith('"'):  # a weak validator, or none, cannot vouch for bytes
        return plain
    return {**plain, "Range": "bytes=0-", "If-Range": etag}


@contextmanager
def _translate_refusals(remote: Remote) -> Iterator[None]:
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        yield
    except errors.HfHubHTTPError as error:
        raise _refused(remote, error.response.status_code) from error


def _refused(remote: Remote, status: int) -> LumenException:
    if status == 404:
        return InvalidInputException(
            f"There is no {remote.address} (404); check {ENDPOINT}, or fetch the file by hand."
        )
    return ServiceUnavailableException(
        f"{urlsplit(remote.address).netloc} answered {status} for {remote.name}; what came is kept: run the "
        "command again to go on."
    )
