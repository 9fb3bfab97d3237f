"""``lumen export download hibari``: a voice from a server that speaks as the hub does."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.app import app
from export.hibari.download import download_voice
from export.hub import HubRepository
from lumen.errors import InvalidInputException, LumenException
from lumen.families.hibari import catalog
from tests.support.hub_server import Hub, running
from tests.support.quick_downloads import CHUNK

pytestmark = pytest.mark.usefixtures("quick_downloads")

CONTENT = os.urandom(20 * CHUNK + 77)
EMMA = replace(catalog.VOICES["emma"], sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT))
NAME = f"voices/{EMMA.name}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub with a small file in the place of a voice, which the catalogue takes for it."""
    monkeypatch.setitem(catalog.VOICES, "emma", EMMA)
    with running(Hub({NAME: CONTENT}, {NAME}, catalog.REPOSITORY)) as served:
        yield served


def _at(hub: Hub) -> HubRepository:
    return HubRepository(catalog.REPOSITORY, endpoint=hub.address)


def test_a_voice_arrives_where_the_model_looks(hub: Hub, tmp_path: Path) -> None:
    """Under its own name, whole, and installed; a second time nothing is fetched."""
    for _ in range(2):
        path = download_voice("emma", tmp_path, _at(hub))
        assert path == tmp_path / EMMA.name
        assert path.read_bytes() == CONTENT
    assert [part.name for part in tmp_path.iterdir()] == [EMMA.name]
    assert catalog.installed(tmp_path) == ("heart", "emma")
    assert len(hub.gets(NAME)) == 1


def test_a_cut_download_goes_on(hub: Hub, tmp_path: Path) -> None:
    """A cut download is kept under another name, which no model takes for a voice, and goes on."""
    hub.cut_after = 8 * CHUNK
    with pytest.raises(LumenException, match="again"):
        download_voice("emma", tmp_path, _at(hub))
    assert catalog.installed(tmp_path) == ("heart",)
    hub.cut_after = None
    assert download_voice("emma", tmp_path, _at(hub)).read_bytes() == CONTENT
    assert hub.gets(NAME)[-1] == f"bytes={8 * CHUNK}-"


def test_another_file_than_the_known_one_is_not_fetched(hub: Hub, tmp_path: Path) -> None:
    """The catalogue's hash decides, not what the hub says of its file."""
    hub.files[NAME] = CONTENT[::-1]
    with pytest.raises(InvalidInputException, match="another"):
        download_voice("emma", tmp_path, _at(hub))
    assert hub.gets(NAME) == []
    assert list(tmp_path.iterdir()) == []


def test_damage_on_the_way_is_found(hub: Hub, tmp_path: Path) -> None:
    """Nothing of a damaged file stays."""
    hub.damaged = True
    with pytest.raises(LumenException, match="damaged"):
        download_voice("emma", tmp_path, _at(hub))
    assert list(tmp_path.iterdir()) == []


def _command(*given: str) -> Result:
    return CliRunner().invoke(app, ["export", "download", "hibari", *given])


@pytest.mark.parametrize("voice", ["nobody", "heart", "../emma", ""])
def test_only_voices_that_are_on_the_hub_are_fetched(voice: str, tmp_path: Path) -> None:
    """A voice that is not on the hub is status 1 and a line that names those that are."""
    done = _command(voice, "--repository", str(tmp_path))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "expected one of: emma, fenrir, fable, kore" in line


def test_the_command_fetches(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT is asked, and the file's path is said."""
    import huggingface_hub.constants

    template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.address)
    done = _command("Emma", "--repository", str(tmp_path))
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'hibari' / '1' / EMMA.name}\n")
