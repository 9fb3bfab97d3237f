"""A third voice and a third face are added by a package, a line in the registry and their Triton models."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.support.paths import ROOT

TOYS = ROOT / "tests" / "support" / "toy_families"

LUMEN = "from commands.app import app; app()"

DESCRIBE = """
import asyncio, json
import httpx
from lumen.settings import Settings
from orchestrator.main import create_app

async def main():
    app = create_app(Settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lumen") as client:
        status = (await client.get("/api/status")).json()
        refused = (await client.post("/api/generate/video", json={"idle_seconds": 1, "still": True})).json()
    print(json.dumps({"openapi": app.openapi(), "status": status, "refused": refused}))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the toys in it; of the project's own files one has changed."""
    folder = tmp_path_factory.mktemp("project")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    registry = folder / "lumen" / "registry.py"
    lines = '    "lumen.families.tone",\n    "lumen.families.flash",\n'
    before, after = registry.read_text().split("FAMILIES: Final = (\n")
    registry.write_text(f"{before}FAMILIES: Final = (\n{lines}{after}")
    for toy in TOYS.rglob("*"):
        assert toy.is_dir() or not (folder / toy.relative_to(TOYS)).exists(), "toys replace no file"
    shutil.copytree(TOYS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(project: Path, code: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    parts = {"VOICE": "tone", "FACE": "flash", "GEMINI_API_KEY": "", "API_PORT": "0", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=project,
        env={**os.environ, **parts, "PYTHONPATH": str(project), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_settings_take_them(project: Path) -> None:
    """A name that is none is refused with a list in which the new ones are."""
    done = run(project, "from lumen.settings import Settings; Settings()", VOICE="nobody")
    assert "expected one of: tone, auto, hibari, espeak, xtts" in done.stderr
    done = run(project, "from lumen.settings import Settings; Settings()", FACE="nobody")
    assert "expected one of: flash, warp, sadtalker" in done.stderr


def test_the_api_describes_them(project: Path) -> None:
    """Their options are in OpenAPI and in the limits; another face's option is refused with their name."""
    done = run(project, DESCRIBE)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    schemas = found["openapi"]["components"]["schemas"]
    colour, _ = schemas["VideoRequest"]["properties"]["colour"]["anyOf"]
    assert colour["enum"] == ["red", "green", "blue"]
    hertz, _ = schemas["SamplingFields"]["properties"]["hertz"]["anyOf"]
    assert (hertz["minimum"], hertz["maximum"]) == (100, 1000)
    status = found["status"]
    assert (status["parts"]["voice"], status["parts"]["face"]) == ("tone", "flash")
    assert status["languages"] == {"en": "English"}
    assert status["limits"]["controls"] == {"colour": ["red", "green", "blue"], "brightness": [1, 255]}
    assert status["limits"]["sampling"] == {"hertz": [100, 1000]}
    assert "still: the face is flash, which has no such control" in found["refused"]["message"]


def test_the_command_line_describes_them(project: Path) -> None:
    """`lumen say --help` has their options, each with the part that it belongs to."""
    text = run(project, LUMEN, "say", "--help").stdout
    for option in ("--colour", "--brightness", "--sampling-hertz", "flash: colour", "tone: pitch"):
        assert option in text


def test_they_make_a_clip(project: Path, tmp_path: Path) -> None:
    """`lumen say` draws the toy face in the colour that was asked for, with the toy voice's tone."""
    clip = tmp_path / "clip.mp4"
    options = ("--colour", "green", "--brightness", "200", "--sampling-hertz", "440")
    done = run(project, LUMEN, "say", "one two three four", "-o", str(clip), *options)
    assert done.returncode == 0, done.stderr
    with av.open(clip) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 30
    assert np.abs(np.stack(frames).mean((0, 1, 2)) - (0, 200, 0)).max() < 12
    with av.open(clip) as container:
        sound = [frame.to_ndarray().mean(0) for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    spectrum = np.abs(np.fft.rfft(np.concatenate(sound)))
    assert np.argmax(spectrum) * rate / (2 * (len(spectrum) - 1)) == pytest.approx(440, abs=3)
