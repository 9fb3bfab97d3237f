"""The figures of a GPU in one run, tried with tiny networks on a CPU, and a plan from them."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.plan import Wish, run
from tests.support.paths import ROOT

SECONDS = 1500
SIZES = ("256", "512")


@pytest.mark.heavy
@pytest.mark.timeout(SECONDS + 120)
def test_all_steps_and_a_plan_from_them(tmp_path: Path) -> None:
    """Nothing is missing: speech, clips of both sizes by the lean renderer, live conversations."""
    loads = ["--streams", "1", "2", "--requests", "2", "--clips", "1", "--frames", "10", "--sessions", "1"]
    options = ["--tiny", "--cpu", "--seconds", str(SECONDS), "--answers", "1", "--text", "Good morning."]
    command = [sys.executable, "-m", "bench.gpu", *options, *loads]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["missing"] == {}
    assert [load["load"] for load in result["xtts"][""]] == [
        "1 client, closed loop",
        "2 clients, closed loop",
    ]
    assert all(not load["errors"] for load in result["xtts"][""])
    for size in SIZES:
        assert [load["clips"] for load in result["sadtalker"][size]] == [1]
        assert [load["answers"] for load in result["live"][size]] == [1]
    figures, written = tmp_path / "figures.txt", StringIO()
    figures.write_text(done.stdout)
    assert run(Wish(1, 512, "sadtalker", "xtts", 60.0), figures, Console(file=written, width=200)) == 0
    assert "tiny networks" in written.getvalue()
    assert "Not measured" not in written.getvalue()
