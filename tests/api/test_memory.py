"""What the API's process has in memory does not grow with the clips that it makes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROBE = """
import asyncio, sys
from pathlib import Path
import numpy as np
from lumen.bench.processes import OWN, resident_bytes
from orchestrator.core.config import Settings
from orchestrator.main import create_app

WINDOW, SMALL, MIB = (25, 256, 256, 3), 100_000, 2**20

def upload():
    return np.ones(24 * MIB, np.uint8)

def windows(n):
    return zip(*[(np.ones(WINDOW, np.uint8), np.ones(SMALL, np.uint8)) for _ in range(n)])

async def main(folder):
    app = create_app(Settings(logs_path=folder / "logs", outputs_path=folder / "outputs"))
    async with app.router.lifespan_context(app):
        upload()
        before = resident_bytes()[OWN]
        frames, small = windows(40)
        del frames
        print((resident_bytes()[OWN] - before) // MIB)

asyncio.run(main(Path(sys.argv[1])))
"""
"""An upload comes and goes, then 187 MiB of frames beside 4 MB of smaller things that stay; prints MiB."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told what to keep")
def test_frames_that_are_written_leave_the_memory(tmp_path: Path) -> None:
    """Small things that stay hold no windows of frames in memory (glibc by itself keeps all 187 MiB)."""
    command = [sys.executable, "-c", PROBE, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40
