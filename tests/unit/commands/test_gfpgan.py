"""The commands for GFPGAN."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.app import app
from export.gfpgan.checkpoint import load_checkpoint
from export.gfpgan.files import FILE
from lumen.families.gfpgan.dims import TINY


def test_random_weights_are_a_checkpoint(tmp_path: Path, gfpgan_checkpoint: Path) -> None:
    """``--seed`` and ``--tiny`` reach what is written; the folder is said."""
    command = ["export", "random", "gfpgan", "--seed", "1", "--tiny", "--checkpoint", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path))
    assert f"lumen export gfpgan --checkpoint {tmp_path}" in done.stderr
    assert load_checkpoint(tmp_path).dims == TINY
    assert (tmp_path / FILE).stat().st_size == gfpgan_checkpoint.stat().st_size


@pytest.mark.parametrize("given", ["none", "none/other.pth"])
def test_no_checkpoint_is_said_in_a_line(tmp_path: Path, given: str) -> None:
    """Exit status 1, what was expected, no traceback; nothing is written."""
    repository = tmp_path / "repository"
    command = ["export", "gfpgan", "--checkpoint", str(tmp_path / given), "--repository", str(repository)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert f"is not there, expected {FILE}" in done.stderr
    assert not repository.exists()
