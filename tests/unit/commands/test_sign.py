"""``lumen sign``: a test certificate, and the check of a file."""

import stat
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from commands.app import app
from lumen.settings import Settings
from orchestrator.marking.marking import Marking
from orchestrator.media.sound_files import sound_file

RATE = 22_050


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["sign", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = run("init", "--folder", tmp_path / "sign")
    assert made.exit_code == 0, made.output
    assert f"SIGN_CERT={tmp_path / 'sign' / 'chain.pem'}\n" in made.output
    assert "not trusted" in made.output
    return tmp_path / "sign"


def test_a_test_certificate(folder: Path) -> None:
    """Only its owner reads the key, and nothing is overwritten."""
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    before = (folder / "key.pem").read_bytes()
    again = run("init", "--folder", folder)
    assert again.exit_code == 1
    assert (folder / "key.pem").read_bytes() == before


def test_a_file_is_checked(folder: Path, tmp_path: Path) -> None:
    """A signed file is valid, trusted with its root, invalid when it was changed; the exit status says it."""
    settings = Settings(sign_cert=folder / "chain.pem", sign_key=folder / "key.pem")
    mark, path = Marking(settings).mark("one", {"voice": "espeak"}), tmp_path / "one.wav"
    with sound_file("wav", path, RATE, RATE, mark.tags, mark.seal) as write:
        write(np.zeros(RATE, np.float32))
    found = run("verify", path)
    assert (found.exit_code, f"{path}: Valid" in found.output) == (0, True), found.output
    assert "c2pa.created: http://cv.iptc.org" in found.output
    assert f"{path}: Trusted" in run("verify", path, "--trust", folder / "root.pem").output
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    changed = run("verify", path)
    assert (changed.exit_code, f"{path}: Invalid" in changed.output) == (1, True)


def test_a_file_without_a_signature(tmp_path: Path) -> None:
    """It is told, and the exit status is 1."""
    path = tmp_path / "plain.wav"
    with sound_file("wav", path, RATE, RATE, {}) as write:
        write(np.zeros(RATE, np.float32))
    found = run("verify", path)
    assert (found.exit_code, "has no provenance record" in found.output) == (1, True)
