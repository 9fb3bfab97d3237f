"""``lumen bench`` measures the profile that is served, whichever voice and face it has."""

import asyncio
import json
from pathlib import Path

import av
import pytest
from rich.console import Console

from bench.chain import Chain, RecordedParts, make_scene
from bench.run import run
from lumen.settings import Settings
from lumen.triton.serve import models_of
from orchestrator.core.model_manager import ModelManager


async def load(settings: Settings) -> None:
    parts = ModelManager(settings)
    try:
        await parts.ensure(models_of(settings))
    finally:
        await parts.close()


@pytest.mark.heavy
@pytest.mark.parametrize(("voice", "face"), [("espeak", "warp"), ("xtts", "sadtalker"), ("xtts", "warp")])
def test_clips_are_made_by_the_parts_of_the_settings(
    triton_url: str, repository: Path, assets: Path, tmp_path: Path, voice: str, face: str
) -> None:
    """Voice and face of the settings speak and draw; the result names them and counts no error."""
    settings = Settings.model_validate(
        {
            "voice": voice,
            "face": face,
            "video_size": 256,
            "triton_url": triton_url,
            "model_repository": repository,
            "assets_path": assets,
            "voices_path": tmp_path / "voices",
            "api_port": 1,
        }
    )
    asyncio.run(load(settings))
    console = Console(width=200)
    with console.capture() as capture:
        status = run(settings, models=[], clips=1, console=console)
    result = json.loads(capture.get().splitlines()[-1])
    assert status == 0, capture.get()
    assert (result["voice"], result["face"], result["size"]) == (voice, face, 256)
    assert [load["errors"] for load in result["clips"]] == [0, 0, 0]
    for found in result["clips"]:
        assert 0 < found["first_audio_s"]["p50"] <= found["total_s"]["p50"]
        assert found["first_frame_s"]["p50"] <= found["total_s"]["p50"]


def test_a_model_that_the_profile_does_not_ask_is_named(
    triton_url: str, repository: Path, assets: Path, tmp_path: Path
) -> None:
    """A model without a request is refused in one line that names those that can be measured."""
    settings = Settings(
        voice="espeak",
        triton_url=triton_url,
        model_repository=repository,
        assets_path=assets,
        voices_path=tmp_path,
    )
    asyncio.run(load(settings))
    console = Console(width=200)
    with console.capture() as capture:
        assert run(settings, models=["xtts_speaker"], clips=0, console=console) == 1
    assert (
        "No input for xtts_speaker; "
        "expected warp_portrait, espeak, warp, face_landmarks, mouth, warp_renderer." in capture.get()
    )


async def test_a_clip_of_the_parts_alone_is_a_whole_file(
    triton_url: str, repository: Path, assets: Path, tmp_path: Path
) -> None:
    """Speech and frames reach the encoder one at a time, though they are made at once."""
    settings = Settings(
        voice="espeak",
        triton_url=triton_url,
        model_repository=repository,
        assets_path=assets,
        voices_path=tmp_path,
    )
    await load(settings)
    parts, folder = RecordedParts(settings), tmp_path / "clips"
    folder.mkdir()
    try:
        scene = await make_scene(settings, parts)
        sample = await Chain(parts, settings, scene.features, folder).clip()
    finally:
        await parts.close()
    assert sorted(path.suffix for path in folder.iterdir()) == [".mp4", ".wav"]
    with av.open(str(next(folder.glob("*.mp4")))) as file:
        frames = sum(packet.size > 0 for packet in file.demux(video=0))
    assert frames == pytest.approx(sample.audio * settings.video_fps, abs=1)
