"""Fetches files from a Hugging Face hub: resumed where they were cut off, and checked byte for byte."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from export.transfer import Remote, present, receive, translate_errors
from lumen.errors import InvalidInputException, LumenException, ServiceUnavailableException

SOURCE: Final = "the hub"


@dataclass(frozen=True)
class HubRepository:
    """Repository of a hub, and how it is reached.

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


def fetch(
    repository: HubRepository, names: Sequence[str], folder: Path, hashes: Mapping[str, str] | None = None
) -> list[Path]:
    """Bring files into ``folder``, all of the same commit; folders of the repository are left off.

    A file that is there and whole is not fetched again; one that was cut off goes on where it
    stopped. A file has its own name only after its hash was checked.

    Args:
        hashes: SHA-256 that files have to have, by name.

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
        with translate_errors(SOURCE, name, folder), _translate_refusals(repository, name):
            folder.mkdir(parents=True, exist_ok=True)
            remote, commit = _ask(repository, name, commit)
            _check_version(remote, (hashes or {}).get(name))
            paths.append(present(remote, folder) or receive(remote, folder))
    return paths


def _ask(repository: HubRepository, name: str, revision: str) -> tuple[Remote, str]:
    """The file as the hub describes it, and the commit that it is of."""
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
    own_name = PurePosixPath(name).name
    return Remote(SOURCE, own_name, about.location, about.etag, about.size, headers), about.commit_hash


def _check_version(remote: Remote, expected: str | None) -> None:
    if expected is not None and remote.version != expected:
        raise InvalidInputException(
            f"The hub has another {remote.name} ({remote.version[:12]}) than the one that is known "
            f"({expected[:12]}); nothing was fetched."
        )


@contextmanager
def _translate_refusals(repository: HubRepository, name: str) -> Iterator[None]:
    """Translate what the hub refuses into one line that says what to do."""
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


def _refused(repository: HubRepository, name: str, status: int) -> LumenException:
    if status in (401, 403, 404):
        return InvalidInputException(
            f"The hub answered {status} for {repository.name}: there is none, or it wants a token that may "
            "read it in HF_TOKEN."
        )
    return ServiceUnavailableException(
        f"The hub answered {status} for {name}; what came is kept: run the command again to go on."
    )
