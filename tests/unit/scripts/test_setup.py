"""`scripts/setup`, with a stand-in for pip: nothing is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PYTHON = """#!/bin/sh
case "$*" in
  "-c "*) exit 0 ;;
  *"-r requirements.lock"*) echo "Collecting one"; echo "ERROR: no room"; exit {status} ;;
  *) echo "Collecting lumen" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that the script reads, beside an environment that is there already."""
    for name in ("requirements.lock", "requirements-torch.txt", "pyproject.toml", "scripts/setup"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path


def setup(checkout: Path, status: int) -> "subprocess.CompletedProcess[str]":
    """Run the script with a pip that ends with this status."""
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(PYTHON.format(status=status))
    python.chmod(0o755)
    return subprocess.run([checkout / "scripts" / "setup"], capture_output=True, text=True, timeout=60)


def test_pip_is_silent_while_all_is_well(checkout: Path) -> None:
    """Hundreds of lines of pip hid what mattered: its words are in a log; the second run does nothing."""
    done = setup(checkout, 0)
    assert done.returncode == 0, done.stderr
    assert "Collecting" not in done.stdout + done.stderr
    assert "packages from requirements.lock" in done.stdout
    assert setup(checkout, 1).stdout == ""


def test_what_pip_says_when_it_fails_is_shown(checkout: Path) -> None:
    """The end of pip's words, where the rest is, and status 1; the next run tries again."""
    done = setup(checkout, 1)
    assert done.returncode == 1
    assert "ERROR: no room" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("all of its words are in .venv/setup.log")
    assert (checkout / ".venv" / "setup.log").is_file()
    assert setup(checkout, 0).returncode == 0
