"""`lumen say` and the options of the parts."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands import serving
from commands.app import app
from lumen.client import Clip


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """The clips that the command would have made."""
    clips: list[Clip] = []

    async def say(settings: Any, console: Any, clip: Clip, output: Path) -> dict[str, Any]:
        clips.append(clip)
        return {}

    monkeypatch.setattr(serving, "say", say)
    return clips


def test_options_of_the_parts_reach_the_body(said: list[Clip], tmp_path: Path) -> None:
    """Each spelling that was taken before is taken; a series is repeated, an upload is a file."""
    video = tmp_path / "eyes.mp4"
    video.write_bytes(b"video")
    arguments = ["--still", "--yaw", "-20", "--yaw", "20", "--input-roll", "5", "--pose-style", "3"]
    more = ["--preprocess", "full", "--ref-eyeblink", str(video), "--sampling-top-k", "9"]
    done = CliRunner().invoke(app, ["say", "Hi", "-o", "clip.mp4", *arguments, *more])
    assert done.exit_code == 0, done.output
    (clip,) = said
    assert clip.fields() == {
        "prompt": "Hi",
        "still": True,
        "input_yaw": [-20.0, 20.0],
        "input_roll": [5.0],
        "pose_style": 3,
        "preprocess": "full",
        "sampling": {"top_k": 9},
    }
    assert clip.files() == {"ref_eyeblink_file": video}


def test_options_that_are_left_out_are_not_sent(said: list[Clip]) -> None:
    """The server's defaults hold."""
    assert CliRunner().invoke(app, ["say", "Hi", "-o", "clip.mp4"]).exit_code == 0
    assert said[0].fields() == {"prompt": "Hi"}
    assert said[0].files() == {}
