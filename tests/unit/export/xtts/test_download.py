"""The download of the official files, from a server that speaks as the hub does."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from export.hub import HubRepository, fetch
from export.xtts.download import TERMS, download_xtts
from export.xtts.layout import FILES, WEIGHTS
from export.xtts.random import SIZES
from export.xtts.released import config_of
from lumen.errors import (
    InvalidInputException,
    LumenException,
    ModelLoadException,
    ServiceUnavailableException,
    StorageException,
)
from tests.support.hub_server import COMMIT, REPOSITORY, Hub, running
from tests.support.paths import ROOT

SMALL_CHUNK = 1 << 16
CONTENT = os.urandom(40 * SMALL_CHUNK + 123)


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files that are as the official ones, but for the weights, which nobody opens here."""
    import json

    from export.xtts.vocabulary import write_vocabulary

    folder = tmp_path_factory.mktemp("official")
    write_vocabulary(folder / "vocab.json", SIZES["tiny"].text_vocabulary)
    return {
        "config.json": json.dumps(config_of(SIZES["tiny"])).encode(),
        "vocab.json": (folder / "vocab.json").read_bytes(),
        "speakers_xtts.pth": b"voices" * 100,
        WEIGHTS: CONTENT,
    }


@pytest.fixture
def hub(official: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", SMALL_CHUNK)
    with running(Hub(dict(official), {WEIGHTS, "speakers_xtts.pth"})) as served:
        yield served


def at(hub: Hub, **changes: Any) -> HubRepository:
    return HubRepository(REPOSITORY, **{"endpoint": hub.address, **changes})


def download(hub: Hub, folder: Path, **changes: Any) -> None:
    assert download_xtts(folder, True, None, at(hub, **changes)) == SIZES["tiny"]


def test_all_files_arrive_and_are_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    """The four files, byte for byte, and nothing else; a second run fetches no content."""
    download(hub, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == hub.files
    hub.asked.clear()
    download(hub, tmp_path)
    assert {method for method, _, _ in hub.asked} == {"HEAD"}


def test_a_cut_connection_is_resumed_in_the_next_run(hub: Hub, tmp_path: Path) -> None:
    """A cut download is kept, the next run asks for the rest alone, and the file is whole."""
    hub.cut_after = 20 * SMALL_CHUNK
    with pytest.raises(ServiceUnavailableException, match="run the command again"):
        fetch(at(hub), [WEIGHTS], tmp_path)
    assert not (tmp_path / WEIGHTS).exists()
    (partial,) = tmp_path.iterdir()
    kept = partial.stat().st_size
    assert kept > 10 * SMALL_CHUNK
    hub.cut_after, hub.asked[:] = None, []
    (path,) = fetch(at(hub), [WEIGHTS], tmp_path)
    assert hub.gets(WEIGHTS) == [f"bytes={kept}-"]
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_content_is_not_accepted(hub: Hub, tmp_path: Path) -> None:
    """A wrong byte in a large file is found by its SHA-256; a rerun with a sound server succeeds."""
    hub.damaged = True
    with pytest.raises(ServiceUnavailableException, match="arrived damaged"):
        download(hub, tmp_path)
    assert not (tmp_path / WEIGHTS).exists()
    hub.damaged = False
    download(hub, tmp_path)


def test_a_small_file_is_checked_by_gits_hash(hub: Hub, tmp_path: Path) -> None:
    """A small file of the right length with other content is not accepted."""
    version = hub.etag("config.json")
    hub.files["config.json"] = hub.files["config.json"].swapcase()
    hub.etag = lambda name: version  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailableException, match=r"config\.json arrived damaged"):
        fetch(at(hub), ["config.json"], tmp_path)


def test_a_file_of_somebody_else_is_never_overwritten(hub: Hub, tmp_path: Path) -> None:
    """Another model.pth in the folder stays, and the message names it."""
    (tmp_path / WEIGHTS).write_bytes(b"a voice that took weeks to train")
    with pytest.raises(InvalidInputException, match=r"model\.pth is another file"):
        download(hub, tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes().startswith(b"a voice")


def test_the_token_goes_to_the_hub_and_not_to_its_storage(hub: Hub, tmp_path: Path) -> None:
    """With a token a closed repository is read; the host that stores the bytes never sees it."""
    hub.token = "hf_secret"
    download(hub, tmp_path, token="hf_secret")
    assert hub.gets(WEIGHTS)
    assert hub.tokens_at_storage == []


@pytest.mark.parametrize(
    ("faults", "changes", "named"),
    [
        ({"token": "hf_secret"}, {"token": "hf_wrong"}, "HF_TOKEN"),
        ({"gated": True}, {}, "accepted its terms"),
        ({}, {"revision": "v9"}, "no revision 'v9'"),
        ({"files": {}}, {}, "has no file"),
        ({}, {"name": "nobody/nothing"}, "answered 404 for nobody/nothing"),
    ],
)
def test_what_the_hub_refuses_is_told_in_one_line(
    hub: Hub, tmp_path: Path, faults: dict[str, Any], changes: dict[str, Any], named: str
) -> None:
    """401, 403 and 404 name what was asked for and what to do."""
    for key, value in faults.items():
        setattr(hub, key, value)
    repository = HubRepository(**{"name": REPOSITORY, "endpoint": hub.address, **changes})
    with pytest.raises(InvalidInputException, match=named) as caught:
        fetch(repository, FILES, tmp_path)
    assert "\n" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_told_in_one_line(tmp_path: Path) -> None:
    """A hub that does not answer: one line that says so."""
    with running(Hub({}, set())) as gone:
        pass
    with pytest.raises(ServiceUnavailableException, match="No connection to the hub") as caught:
        fetch(at(gone), ["config.json"], tmp_path)
    assert "\n" not in caught.value.message


def test_no_room_is_told_before_anything_comes(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is refused, by the bytes still missing, without a request for content."""
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageException, match="still to come"):
        fetch(at(hub), [WEIGHTS], tmp_path)
    assert hub.gets(WEIGHTS) == []


def test_a_disk_that_fills_up_is_told_in_one_line(hub: Hub, tmp_path: Path) -> None:
    """The device refuses a write in the middle: /dev/full does as a full disk."""
    partial = tmp_path / f".{WEIGHTS}.{hub.etag(WEIGHTS)[:16]}.incomplete"
    partial.symlink_to("/dev/full")
    with pytest.raises(StorageException, match=os.strerror(errno.ENOSPC)):
        fetch(at(hub), [WEIGHTS], tmp_path)


def test_what_is_no_checkpoint_is_refused_after_the_download(hub: Hub, tmp_path: Path) -> None:
    """A config.json that does not parse is told, with its name."""
    hub.files["config.json"] = b"<html>login</html>"
    with pytest.raises(ModelLoadException, match=r"config\.json is not JSON"):
        download(hub, tmp_path)


def test_nothing_is_fetched_without_consent(hub: Hub, tmp_path: Path) -> None:
    """The hub hears no request when nobody can be asked or the answer is no; yes fetches."""
    asked: list[str] = []

    def answer(yes: bool, text: str) -> bool:
        asked.append(text)
        return yes

    for ask in (None, lambda text: answer(False, text)):
        with pytest.raises(InvalidInputException, match=f"set {TERMS.variable}=1"):
            download_xtts(tmp_path, False, ask, at(hub))
    assert hub.asked == []
    download_xtts(tmp_path, False, lambda text: answer(True, text), at(hub))
    assert asked == [TERMS.licence] * 2
    assert (tmp_path / WEIGHTS).read_bytes() == CONTENT


class Run(NamedTuple):
    status: int
    said: str


def command(folder: Path, **environment: str) -> Run:
    program = "from commands.xtts import download; download()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--checkpoint", str(folder)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Run(done.returncode, done.stdout + done.stderr)


def test_the_command_honours_endpoint_token_and_consent(hub: Hub, tmp_path: Path) -> None:
    """HF_ENDPOINT, HF_TOKEN and COQUI_TOS_AGREED are read; without consent one line and status 1."""
    hub.token = "hf_secret"
    environment = {"HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_secret"}
    refused = command(tmp_path, **environment, **{TERMS.variable: ""})
    assert refused.status == 1
    assert len(refused.said.splitlines()) == 1
    assert hub.asked == []
    done = command(tmp_path, **environment, **{TERMS.variable: "1"})
    assert done == Run(0, f"{tmp_path}\n")
    assert (tmp_path / WEIGHTS).read_bytes() == CONTENT


def test_all_files_are_of_one_commit(hub: Hub, tmp_path: Path) -> None:
    """After the first answer the commit is asked for, so that a push in between mixes nothing."""
    download(hub, tmp_path)
    heads = [path for method, path, _ in hub.asked if method == "HEAD"]
    assert [COMMIT in path for path in heads] == [False, True, True, True]


def test_errors_are_of_the_projects_tree(tmp_path: Path) -> None:
    """A folder that cannot be made is one line as well."""
    (tmp_path / "file").write_text("")
    with running(Hub({}, set())) as empty, pytest.raises(LumenException, match="Cannot write"):
        fetch(at(empty), ["config.json"], tmp_path / "file" / "folder")
