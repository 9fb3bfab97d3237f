"""``lumen export download sadtalker`` and ``gfpgan``: what they fetch is what the exports read."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import export.gfpgan.download as gfpgan
import export.sadtalker.download as sadtalker
from commands.app import app
from export.consent import Terms
from export.gfpgan.checkpoint import load_checkpoint as load_gfpgan
from export.gfpgan.files import FILE
from export.gfpgan.random import write_random as write_gfpgan
from export.releases import Release
from export.sadtalker.checkpoint import load_checkpoint as load_sadtalker
from export.sadtalker.files import MAPPINGS, networks_file
from export.sadtalker.random import write_random as write_sadtalker
from lumen.errors import InvalidInputException
from lumen.families.gfpgan.dims import TINY as TINY_GFPGAN
from lumen.families.sadtalker.dims import TINY as TINY_SADTALKER
from tests.support.github_server import GitHub, running

pytestmark = pytest.mark.usefixtures("quick_downloads")

MODULES = {"sadtalker": sadtalker, "gfpgan": gfpgan}


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Small files in the released layouts, for each of the commands."""
    folders = {name: tmp_path_factory.mktemp(name) for name in MODULES}
    for size in (256, 512):
        write_sadtalker(folders["sadtalker"], 1, size, TINY_SADTALKER)
    write_gfpgan(folders["gfpgan"], 1, TINY_GFPGAN)
    return {name: {f.name: f.read_bytes() for f in folder.iterdir()} for name, folder in folders.items()}


@pytest.fixture(params=list(MODULES))
def what(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def github(
    what: str, contents: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHub]:
    """GitHub with the small files in place of the released ones."""
    official: Release = MODULES[what].RELEASE
    for module in MODULES.values():
        monkeypatch.delenv(module.TERMS.variable, raising=False)
    with running(GitHub(contents[what], official.project, official.tag)) as served:
        monkeypatch.setattr(MODULES[what], "RELEASE", replace(official, assets=served.release().assets))
        monkeypatch.setenv("GITHUB_ENDPOINT", served.address)
        yield served


def command(what: str, *given: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["export", "download", what, *given], env=environment)


def agreed(what: str) -> dict[str, str]:
    return {MODULES[what].TERMS.variable: "1"}


def test_nothing_is_fetched_without_consent(what: str, github: GitHub, tmp_path: Path) -> None:
    """No consent is status 1 and a line with the licence and the variable; the server hears no request."""
    done = command(what, "--checkpoint", str(tmp_path))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert f"set {MODULES[what].TERMS.variable}=1" in line
    assert github.tokens == []


def test_a_mirror_is_named_by_a_setting(what: str, github: GitHub, tmp_path: Path) -> None:
    """GITHUB_ENDPOINT is asked, the folder is said, and a path that is no address is refused."""
    done = command(what, "--checkpoint", str(tmp_path), **agreed(what))
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path}\n")
    assert github.asked
    refused = command(what, **agreed(what), GITHUB_ENDPOINT="mirror.example")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("GITHUB_ENDPOINT: ")


@pytest.mark.parametrize("what", ["sadtalker"], indirect=True)
@pytest.mark.parametrize(
    ("given", "sizes"), [((), [256]), (("--size", "512"), [512]), (("--size", "both"), [256, 512])]
)
def test_sadtalkers_files_are_what_its_export_reads(
    github: GitHub, tmp_path: Path, given: tuple[str, ...], sizes: list[int]
) -> None:
    """Both mappings and the networks of the sizes, no more; they load."""
    done = command("sadtalker", "--checkpoint", str(tmp_path), *given, **agreed("sadtalker"))
    assert done.exit_code == 0, done.output
    names = {*MAPPINGS.values(), *map(networks_file, sizes)}
    assert {path.name for path in tmp_path.iterdir()} == names
    for size in sizes:
        assert load_sadtalker(tmp_path, size).size == size


@pytest.mark.parametrize("what", ["gfpgan"], indirect=True)
def test_gfpgans_file_is_what_its_export_reads(github: GitHub, tmp_path: Path) -> None:
    """The one file; it loads."""
    done = command("gfpgan", "--checkpoint", str(tmp_path), **agreed("gfpgan"))
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert load_gfpgan(tmp_path).dims == TINY_GFPGAN


def test_the_official_files_are_named(what: str) -> None:
    """Addresses on GitHub, hashes and sizes of full files; the licence's variable is told by the help."""
    release: Release = MODULES[what].RELEASE
    for name, asset in release.assets.items():
        assert re.fullmatch("[0-9a-f]{64}", asset.sha256)
        assert asset.size > 100e6
        assert release.remote(name).address == (
            f"https://github.com/{release.project}/releases/download/{release.tag}/{name}"
        )
    assert len({asset.sha256 for asset in release.assets.values()}) == len(release.assets)
    said = command(what, "--help").stdout
    assert MODULES[what].TERMS.variable in said
    assert "GITHUB_ENDPOINT" in said


def test_a_person_is_shown_the_licence(what: str) -> None:
    """No is no; yes passes; who has agreed beforehand is not asked."""
    terms: Terms = MODULES[what].TERMS
    shown: list[str] = []

    def answer(yes: bool, licence: str) -> bool:
        shown.append(licence)
        return yes

    with pytest.raises(InvalidInputException, match="only when its licence is accepted"):
        terms.require(False, lambda licence: answer(False, licence))
    terms.require(False, lambda licence: answer(True, licence))
    terms.require(True, lambda licence: answer(False, licence))
    assert shown == [terms.licence] * 2
