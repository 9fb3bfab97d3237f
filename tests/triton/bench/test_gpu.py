"""The figures of a GPU in one run, tried with tiny networks on a CPU, and a plan from them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.figures import documented, with_bench
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
    speech = result["xtts"][""]
    assert [load["load"] for load in speech] == ["1 client, closed loop", "2 clients, closed loop"]
    assert all(not load["errors"] for load in speech)
    for size in SIZES:
        assert [load["clips"] for load in result["sadtalker"][size]] == [1]
        assert [load["answers"] for load in result["live"][size]] == [1]
    path = tmp_path / "figures.txt"
    path.write_text(done.stdout)
    figures = with_bench(documented(), path)  # of machines that are too slow for any plan
    for size in SIZES:
        face = figures.face("sadtalker", int(size))
        assert face.frames_per_second == max(load["fps"] for load in result["sadtalker"][size])
        assert "tiny networks" in face.source
    assert figures.voice("xtts").audio_per_second == max(load["audio_per_second"] for load in speech)
    assert {row.part for row in figures.missing} == {"warp"}
