"""Files of one thing stay together, and so do those that another process has made under the same names."""

from pathlib import Path

import pytest

from orchestrator.store.files import PendingFile, kept_together, write_text


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """What was published before the failure goes; what was not is not looked for."""
    one, other = tmp_path / "one", tmp_path / "other"
    with pytest.raises(ZeroDivisionError), kept_together(one, other):
        write_text(one, "mine")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_success_stays(tmp_path: Path) -> None:
    with kept_together(tmp_path / "one"):
        write_text(tmp_path / "one", "mine")
    assert (tmp_path / "one").read_text() == "mine"


def test_another_process_is_left_its_file(tmp_path: Path) -> None:
    """A job that two processes do: the one that fails late does not take the file of the other."""
    path, others = tmp_path / "clip.mp4", tmp_path / "others"
    others.write_text("theirs")
    with pytest.raises(ZeroDivisionError), kept_together(path):
        others.rename(path)  # as another process publishes it
        raise ZeroDivisionError
    assert path.read_text() == "theirs"
    with pytest.raises(ZeroDivisionError), kept_together(path):
        file = PendingFile(path)
        file.path.write_text("mine")
        file.publish()
        raise ZeroDivisionError
    assert not path.exists()
