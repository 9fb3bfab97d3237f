"""The mixed load: what counts as left behind."""

import subprocess
import sys
from pathlib import Path

from bench.mixed_load import unnamed_files
from bench.service import Served


def test_files_of_requests_that_were_not_answered_are_left_behind(tmp_path: Path) -> None:
    """A clip whose client left must leave none of its files; those of an answered one stay."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "outputs" / "video").mkdir(parents=True)
    lines = [
        "2026-11-28 18:00:00 - lumen - INFO - [aa] POST /api/generate/full - 200 - 0.5 s - 127.0.0.1",
        "2026-11-28 18:00:01 - lumen - INFO - [bb] POST /api/generate/full - 499 - 0.1 s - 127.0.0.1",
    ]
    (tmp_path / "logs" / "lumen.log").write_text("\n".join(lines))
    for name in ("aa.mp4", "aa.jpg", "bb.mp4"):
        (tmp_path / "outputs" / "video" / name).touch()
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert unnamed_files(Served(process, 0, tmp_path)) == ["bb.mp4"]
