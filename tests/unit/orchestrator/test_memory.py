"""Memory of the API's process, which does not grow with the clips that it makes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PROBE = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from bench.processes import OWN, resident_bytes
from orchestrator.media.decode_audio import decode_audio
from lumen.settings import Settings
from orchestrator.main import create_app
from tests.support.media_files import wav_bytes

WINDOW, SMALL, MIB = (25, 256, 256, 3), 100_000, 2**20

def windows(n):
    return zip(*[(np.ones(WINDOW, np.uint8), np.ones(SMALL, np.uint8)) for _ in range(n)])

async def frames():
    np.ones(24 * MIB, np.uint8)
    frames, small = windows(40)
    del frames
    return small

async def uploads():
    upload = wav_bytes(600, 16_000)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(decode_audio, upload, 22_050, 600)

async def main(folder, work):
    app = create_app(Settings(logs_path=folder / "logs", outputs_path=folder / "outputs"))
    async with app.router.lifespan_context(app):
        before = resident_bytes()[OWN]
        kept = await work()
        print((resident_bytes()[OWN] - before) // MIB)

asyncio.run(main(Path(sys.argv[1]), globals()[sys.argv[2]]))
"""
"""Prints the MiB by which the API's process is larger after some work.

``frames``: a large block comes and goes, then 187 MiB of frames beside 4 MB of small things that stay.
``uploads``: 10 minutes of speech are decoded, 50 MiB.
"""

MOST_MIB = 30


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told what to keep")
@pytest.mark.parametrize("work", ["frames", "uploads"])
def test_what_is_done_with_leaves_the_memory(work: str, tmp_path: Path) -> None:
    """No room of frames that are written, and none of an upload that is gone, stays with the process."""
    command = [sys.executable, "-c", PROBE, str(tmp_path), work]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST_MIB
