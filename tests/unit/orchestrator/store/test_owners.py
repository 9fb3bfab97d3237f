"""Unfinished files of processes that are gone."""

import os
import subprocess
import sys
from pathlib import Path

from orchestrator.store.files import PendingFile
from orchestrator.store.outputs import IDLE, Outputs
from orchestrator.store.owners import ABANDONED_SECONDS, remove_ownerless
from tests.support.paths import ROOT

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from orchestrator.store.files import PendingFile
PendingFile(Path(sys.argv[1])).path.write_bytes(b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    """Files that a killed API had begun go at the next start; those that another one writes now stay."""
    outputs = Outputs(tmp_path)
    outputs.create()
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(outputs.video("lost"))], cwd=ROOT, check=False)
    mine = PendingFile(outputs.video("mine")).path
    mine.write_bytes(b"half")
    outputs.video("done").write_bytes(b"whole")
    (tmp_path / IDLE).mkdir()
    lost = tmp_path / IDLE / next((tmp_path / "video").glob(".lost*")).name
    lost.write_bytes(b"half")
    assert len(list((tmp_path / "video").iterdir())) == 3
    outputs.clear()
    assert sorted((tmp_path / "video").iterdir()) == sorted([mine, outputs.video("done")])
    assert not lost.exists()


def test_files_of_other_machines_are_removed_when_old(tmp_path: Path) -> None:
    """A machine that shares the folder cannot be asked: a day without a byte says that nobody writes."""
    fresh, old = (tmp_path / f".{name}.mp4.ffffffff-1-2.12345678.part" for name in ("fresh", "old"))
    for path in (fresh, old):
        path.write_bytes(b"half")
    past = fresh.stat().st_mtime - ABANDONED_SECONDS - 60
    os.utime(old, (past, past))
    remove_ownerless(tmp_path)
    assert list(tmp_path.iterdir()) == [fresh]


def test_nothing_to_clear(tmp_path: Path) -> None:
    """A folder that is not there yet has nothing to be removed."""
    remove_ownerless(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
