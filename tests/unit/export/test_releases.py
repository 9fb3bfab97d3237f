"""The download of released files, from a server that gives them as GitHub does."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from export.releases import Release, fetch
from lumen.errors import InvalidInputException, ServiceUnavailableException, StorageException
from tests.support.github_server import GitHub, running
from tests.support.quick_downloads import CHUNK

pytestmark = pytest.mark.usefixtures("quick_downloads")

NAME = "weights.pth"
CONTENT = os.urandom(40 * CHUNK + 123)
OTHER = os.urandom(len(CONTENT))
"""Content of the same size that was not released."""


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running(GitHub({NAME: CONTENT, "small.json": b"{}"})) as served:
        yield served


def partial_of(release: Release, folder: Path) -> Path:
    return folder / f".{NAME}.{release.assets[NAME].sha256[:16]}.incomplete"


def test_files_arrive_and_are_not_asked_for_again(github: GitHub, tmp_path: Path) -> None:
    """Byte for byte and nothing else; when all are there, no server is asked."""
    folder = tmp_path / "new" / "folder"
    paths = fetch(github.release(), [NAME, "small.json"], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == github.files
    github.asked.clear()
    github.status = 500
    assert fetch(github.release(), [NAME, "small.json"], folder) == paths
    assert github.asked == []


def test_a_broken_connection_is_resumed_at_once(github: GitHub, tmp_path: Path) -> None:
    """The rest alone is asked for, on the condition that the content is still the same."""
    github.cuts = [20 * CHUNK, 5 * CHUNK]
    (path,) = fetch(github.release(), [NAME], tmp_path)
    assert path.read_bytes() == CONTENT
    assert github.gets() == ["bytes=0-", f"bytes={20 * CHUNK}-", f"bytes={25 * CHUNK}-"]
    etag = github.etag_of(CONTENT)
    assert [each.if_range for each in github.asked] == [None, etag, etag, etag]


def test_the_next_run_goes_on_from_a_mirror_too(github: GitHub, tmp_path: Path) -> None:
    """Bytes that came are kept when the server stays away; a mirror with its own ETag sends the rest."""
    partial = partial_of(github.release(), tmp_path)
    github.cuts, github.down_after_cuts = [20 * CHUNK], True
    with pytest.raises(ServiceUnavailableException, match="run the command again") as caught:
        fetch(github.release(), [NAME], tmp_path)
    assert "\n" not in caught.value.message
    assert partial.read_bytes() == CONTENT[: 20 * CHUNK]
    with running(GitHub({NAME: CONTENT}, etag='"elsewhere"')) as mirror:
        (path,) = fetch(mirror.release(), [NAME], tmp_path)
    assert mirror.gets() == [f"bytes={20 * CHUNK}-"]
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_changes_under_way_is_not_mixed(github: GitHub, tmp_path: Path) -> None:
    """The content of the first connection is dropped when the second has another one."""
    release = github.release()
    github.files[NAME], github.cuts, github.then = OTHER, [20 * CHUNK], {NAME: CONTENT}
    (path,) = fetch(release, [NAME], tmp_path)
    assert path.read_bytes() == CONTENT
    assert len(github.gets()) == 2


@pytest.mark.parametrize("etag", ['W/"weak"', ""])
def test_without_an_etag_that_vouches_for_bytes_it_resumes_all_the_same(
    github: GitHub, tmp_path: Path, etag: str
) -> None:
    """A weak ETag must not go into If-Range; the SHA-256 is what decides."""
    github.cuts, github.etag = [20 * CHUNK], etag
    (path,) = fetch(github.release(), [NAME], tmp_path)
    assert path.read_bytes() == CONTENT
    assert github.gets() == [None, f"bytes={20 * CHUNK}-"]
    assert {each.if_range for each in github.asked} == {None}


def test_a_server_that_ignores_range_starts_again(github: GitHub, tmp_path: Path) -> None:
    """All of the file comes once more, and nothing of it twice."""
    github.ranges, github.cuts = False, [20 * CHUNK]
    (path,) = fetch(github.release(), [NAME], tmp_path)
    assert path.read_bytes() == CONTENT
    assert len(github.gets()) == 2


def test_a_server_that_tells_nothing_beforehand_will_do(github: GitHub, tmp_path: Path) -> None:
    """Some mirrors refuse HEAD."""
    github.head = 405
    (path,) = fetch(github.release(), [NAME], tmp_path)
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_are_not_accepted(github: GitHub, tmp_path: Path) -> None:
    """Content of the right size with another hash is removed; a rerun with a sound server succeeds."""
    release = github.release()
    github.files[NAME] = OTHER
    with pytest.raises(ServiceUnavailableException, match=r"weights\.pth arrived damaged"):
        fetch(release, [NAME], tmp_path)
    assert list(tmp_path.iterdir()) == []
    github.files[NAME] = CONTENT
    fetch(release, [NAME], tmp_path)


def test_a_file_of_another_size_is_refused_before_it_comes(github: GitHub, tmp_path: Path) -> None:
    """A page that asks to log in, for one: told with both sizes, and no content is asked for."""
    release = github.release()
    github.files[NAME] = b"<html>"
    with pytest.raises(ServiceUnavailableException, match=r"has 6 bytes, expected 163,963.*GITHUB_ENDPOINT"):
        fetch(release, [NAME], tmp_path)
    assert github.gets() == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_is_never_overwritten(github: GitHub, tmp_path: Path) -> None:
    """Another file of that name stays, and the message names it."""
    (tmp_path / NAME).write_bytes(OTHER)
    with pytest.raises(InvalidInputException, match=r"weights\.pth is another file"):
        fetch(github.release(), [NAME], tmp_path)
    assert (tmp_path / NAME).read_bytes() == OTHER
    assert github.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (404, InvalidInputException, r"There is no .*/releases/download/v1/weights\.pth \(404\)"),
        (403, ServiceUnavailableException, r"answered 403 for weights\.pth"),
        (500, ServiceUnavailableException, r"answered 500 for weights\.pth"),
        (503, ServiceUnavailableException, r"answered 503 for weights\.pth"),
    ],
)
def test_refusals_are_told_in_one_line(
    github: GitHub, tmp_path: Path, status: int, kind: type[Exception], said: str
) -> None:
    """A refusal is one line: the request, the server's answer, what to do; the folder stays empty."""
    github.status = status
    with pytest.raises(kind, match=said) as caught:
        fetch(github.release(), [NAME], tmp_path)
    assert "\n" not in str(caught.value)
    assert [path for path in tmp_path.iterdir() if path.stat().st_size] == []


def test_no_network_is_told_in_one_line(tmp_path: Path) -> None:
    """A server that does not answer: one line that names it."""
    with running(GitHub({NAME: CONTENT})) as gone:
        pass
    with pytest.raises(ServiceUnavailableException, match=r"No connection to 127\.0\.0\.1:\d+") as caught:
        fetch(gone.release(), [NAME], tmp_path)
    assert "\n" not in caught.value.message


def test_no_room_is_told_before_anything_comes(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is refused, by the bytes still missing, without a request for content."""
    usage: Any = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageException, match="still to come"):
        fetch(github.release(), [NAME], tmp_path)
    assert github.gets() == []


def test_a_disk_that_fills_up_is_told_in_one_line(github: GitHub, tmp_path: Path) -> None:
    """The device refuses a write in the middle: /dev/full does as a full disk."""
    partial_of(github.release(), tmp_path).symlink_to("/dev/full")
    with pytest.raises(StorageException, match=os.strerror(errno.ENOSPC)):
        fetch(github.release(), [NAME], tmp_path)


def test_no_token_goes_to_it(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hugging Face hub's token is sent to no other server."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(github.release(), [NAME], tmp_path)
    assert set(github.tokens) == {None}
