"""Processes of Triton's models, by /proc."""

from pathlib import Path

import pytest

from lumen.triton import processes
from lumen.triton.processes import STUB, model_processes


def test_a_process_that_just_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose arguments are not there yet ended the supervision of all; it is passed over."""
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    stub = f"/opt/{STUB}\0"
    commands = {"1": "", "2": stub, "3": f"{stub}/models/hibari/1/model.py\0ours_1\0", "4": "/bin/sh\0"}
    for pid, command in commands.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_text(command)
        (tmp_path / pid / "stat").write_text(f"{pid} (stub) S 1")
    assert [(each.pid, each.model) for each in model_processes("ours")] == [(3, "hibari")]
