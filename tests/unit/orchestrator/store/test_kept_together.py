"""Files of one thing stay together, and so do those that another process has made under the same names."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.store.files import kept_together, write_text


def fail(path: Path, publish: Callable[[Path], None]) -> None:
    """Publish a file, and fail."""
    with kept_together(path, path.with_name("other")):
        publish(path)
        raise ZeroDivisionError


def write(path: Path) -> None:
    write_text(path, "mine")


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """What was published before the failure goes; what was not is not looked for."""
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "clip.mp4", write)
    assert list(tmp_path.iterdir()) == []


def test_a_success_stays(tmp_path: Path) -> None:
    """Without a failure all is kept."""
    with kept_together(tmp_path / "one"):
        write(tmp_path / "one")
    assert (tmp_path / "one").read_text() == "mine"


def test_another_process_is_left_its_file(tmp_path: Path) -> None:
    """A job that two processes do: the one that fails late does not take the file of the other."""
    path, others = tmp_path / "clip.mp4", tmp_path / "others"
    others.write_text("theirs")
    with pytest.raises(ZeroDivisionError):
        fail(path, lambda path: os.replace(others, path))  # as another process publishes it
    assert path.read_text() == "theirs"
    with pytest.raises(ZeroDivisionError):
        fail(path, write)
    assert not path.exists()
