"""A user other than root, who may read this checkout and write nothing of it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

NOBODY: Final = 65534
"""Number of the user and of the group that own nothing."""

READ_ONLY: Final = "dac_read_search"
"""Capability that reads what this user's own interpreter and checkout are made of, wherever root has them."""


@dataclass(frozen=True)
class OtherUser:
    """Attributes: what a command of theirs begins with, and a folder of their own."""

    prefix: tuple[str, ...]
    folder: Path


@pytest.fixture
def other_user() -> Iterator[OtherUser]:
    """A user without rights; where the tests run as one already, that one."""
    folder = Path(tempfile.mkdtemp(prefix="lumen-user-"))
    try:
        yield OtherUser(_prefix(folder), folder)
    finally:
        shutil.rmtree(folder)


def _prefix(folder: Path) -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv, which runs a command as another user, is not installed")
    os.chown(folder, NOBODY, NOBODY)
    user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    rights = (f"--inh-caps=-all,+{READ_ONLY}", f"--ambient-caps=+{READ_ONLY}")
    prefix = (setpriv, *user, *rights)
    tried = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no command runs as another user here: {tried.stderr.strip()}")
    return prefix
