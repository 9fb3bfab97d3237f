"""Whisper models come into the repository: from a server that speaks as the hub does, and from a folder."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.hub import HubRepository
from export.whisper.install import download_whisper, install_whisper
from lumen.errors import InvalidInputException, LumenException
from lumen.families.whisper.family import FAMILY
from tests.support.hub_server import Hub, running
from tests.support.quick_downloads import CHUNK

pytestmark = pytest.mark.usefixtures("quick_downloads")

NAME = "Systran/faster-whisper-base"
NETWORK = os.urandom(8 * CHUNK + 77)
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{ }",
    "vocabulary.json": b"[]",
    "model.bin": NETWORK,
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running(Hub(dict(FILES), {"model.bin"}, NAME)) as served:
        yield served


def repository(hub: Hub) -> HubRepository:
    return HubRepository(NAME, endpoint=hub.address)


def test_a_model_is_fetched_whole(hub: Hub, tmp_path: Path) -> None:
    """Every file that it has, under its own name; a second time the network is not fetched again."""
    for stale in ("vocabulary.txt", "preprocessor_config.json"):  # of another model, before this one
        (tmp_path / stale).touch()
    for _ in range(2):
        assert download_whisper(repository(hub), tmp_path) == tmp_path / "model.bin"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == FILES
    assert len(hub.gets("model.bin")) == 1


def test_a_model_that_was_cut_off_is_no_model(hub: Hub, tmp_path: Path) -> None:
    """The network comes last, so that a listener never finds half of a model; the download goes on."""
    hub.cut_after = 4 * CHUNK
    with pytest.raises(LumenException, match="again"):
        download_whisper(repository(hub), tmp_path / "whisper" / "1")
    assert FAMILY.unfetched(tmp_path) == ("model.bin",)
    hub.cut_after = None
    download_whisper(repository(hub), tmp_path / "whisper" / "1")
    assert FAMILY.unfetched(tmp_path) == ()


def test_the_network_of_a_known_hash(hub: Hub, tmp_path: Path) -> None:
    """Another one than the operator's is not fetched; that one is."""
    with pytest.raises(InvalidInputException, match=r"another model\.bin"):
        download_whisper(repository(hub), tmp_path, "0" * 64)
    assert hub.gets("model.bin") == []
    download_whisper(repository(hub), tmp_path, hashlib.sha256(NETWORK).hexdigest())


def test_a_repository_without_a_vocabulary(hub: Hub, tmp_path: Path) -> None:
    """Nothing large is fetched of what is no Whisper model."""
    del hub.files["vocabulary.json"]
    with pytest.raises(InvalidInputException, match=r"has no vocabulary\.txt and no vocabulary\.json"):
        download_whisper(repository(hub), tmp_path)
    assert hub.gets("model.bin") == []


def test_a_folder_that_is_there(tmp_path: Path) -> None:
    """Its files are copied, others are not; a folder of another format is refused by what it lacks."""
    source, target = tmp_path / "mine", tmp_path / "whisper" / "1"
    source.mkdir()
    for name, content in {**FILES, "README.md": b"Mine"}.items():
        (source / name).write_bytes(content)
    assert install_whisper(source, target) == target / "model.bin"
    assert {path.name: path.read_bytes() for path in target.iterdir()} == FILES
    (source / "model.bin").rename(source / "model.safetensors")
    with pytest.raises(InvalidInputException, match=r"has no model\.bin: .* ct2-transformers-converter"):
        install_whisper(source, target)
