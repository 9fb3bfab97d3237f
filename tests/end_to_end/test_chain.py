"""From a prompt to a talking video, through the real server and the real API."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.contracts import FACE_FPS, FACE_SAMPLE_RATE
from lumen.families.warp import quality
from orchestrator.media.decode_audio import decode_audio
from tests.support.lumen_process import LUMEN, Chain
from tests.support.media_files import wav_bytes
from tests.support.paths import ROOT

SPEECH = (
    "The quick brown fox jumps over the lazy dog, and nobody minds. Every morning the baker opens his shop "
    "at six. Children run to school; an old man feeds the birds by the river."
)


def full(chain: Chain, **fields: Any) -> dict[str, Any]:
    answer = httpx.post(f"{chain.url}/api/generate/full", json=fields, timeout=120)
    assert answer.status_code == httpx.codes.OK, answer.text
    body: dict[str, Any] = answer.json()
    return body


def file_of(chain: Chain, url: str) -> Path:
    return chain.outputs / Path(url).relative_to("/outputs")


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_video_has_speech_and_picture_of_equal_length(chain: Chain) -> None:
    """The MP4 is H.264 and AAC at 25 fps, and its two streams end within one frame of each other."""
    body = full(chain, prompt=SPEECH, seed=1)
    with av.open(file_of(chain, body["video_url"])) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.average_rate == FACE_FPS
        lengths = [float(stream.duration * stream.time_base) for stream in (video, audio)]
    assert abs(lengths[0] - lengths[1]) <= 1 / FACE_FPS
    assert lengths[0] == pytest.approx(body["audio_seconds"], abs=1 / FACE_FPS)


def test_mouth_follows_the_speech(chain: Chain) -> None:
    """In the decoded MP4 the mouth opens with the speech, in time with it, and shuts in pauses."""
    body = full(chain, prompt=SPEECH, seed=1)
    sound = httpx.get(chain.url + body["audio_url"]).content
    pcm = decode_audio(sound, FACE_SAMPLE_RATE, 60.0).pcm
    openings = quality.mouth_openings(frames_of(file_of(chain, body["video_url"])))
    level = quality.short_time_level(pcm)
    found = quality.judge(openings[: len(level)], level[: len(openings)])
    late, early = (correlation_at(openings, level, shift) for shift in (8, -8))
    sys.stdout.write(f"correlation {found.correlation:.3f}, shifted {late:.3f}, {early:.3f}\n")
    assert found.correlation >= 0.3
    assert found.correlation >= max(late, early) + 0.15
    assert found.pauses, "the speech has no pause to judge"
    assert found.late == 0


def correlation_at(openings: NDArray[np.float64], level: NDArray[np.float64], shift: int) -> float:
    """Correlation of the opening ``shift`` frames later with the level."""
    count = min(len(openings), len(level))
    inner = slice(abs(shift), count - abs(shift))
    return float(np.corrcoef(openings[inner.start + shift : inner.stop + shift], level[inner])[0, 1])


def test_same_seed_same_video(chain: Chain) -> None:
    """Everything random in the picture comes from the seed: same speech and seed, same frames."""
    speech = httpx.post(f"{chain.url}/api/generate/tts", json={"text": "The same again."}, timeout=60).json()
    first, second, other = (filmed(chain, speech["audio_url"], seed) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def filmed(chain: Chain, audio_url: str, seed: int) -> list[NDArray[np.uint8]]:
    request = {"audio_url": audio_url, "seed": seed}
    body = httpx.post(f"{chain.url}/api/generate/video", json=request, timeout=60).json()
    return frames_of(file_of(chain, body["video_url"]))


def lumen(chain: Chain, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(LUMEN), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=chain.environment, capture_output=True, text=True, timeout=60
    )


def test_say_writes_the_file_that_was_asked_for(chain: Chain, tmp_path: Path) -> None:
    """`lumen say` makes its MP4 with the API that runs, and leaves nothing else beside it."""
    output = tmp_path / "clip.mp4"
    done = lumen(chain, "say", "Hello.", "-o", str(output), "--portrait", "assets/portraits/alan.png")
    assert done.returncode == 0, done.stderr
    assert f"using the API at {chain.url}" in done.stderr
    assert frames_of(output)[0].shape == (512, 512, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_say_films_what_is_spoken_already(chain: Chain, tmp_path: Path) -> None:
    """A recording, or nobody's speech, in place of a text."""
    sound, spoken, idle = (tmp_path / name for name in ("sound.wav", "spoken.mp4", "idle.mp4"))
    sound.write_bytes(wav_bytes(0.6))
    for output, source in ((spoken, ("--audio", str(sound))), (idle, ("--idle", "1"))):
        done = lumen(chain, "say", *source, "-o", str(output), "--portrait", "alan", "--seed", "7")
        assert done.returncode == 0, done.stderr
    assert (len(frames_of(spoken)), len(frames_of(idle))) == (15, 25)


@pytest.mark.parametrize("sources", [(), ("Hello.", "--idle", "1")], ids=["none", "two"])
def test_say_wants_one_source(chain: Chain, tmp_path: Path, sources: tuple[str, ...]) -> None:
    """`lumen say` with no source, or two, is refused before anything starts."""
    done = lumen(chain, "say", *sources, "-o", str(tmp_path / "clip.mp4"))
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "give one of a text, --audio and --idle" in done.stderr


def test_say_tells_why_it_cannot(chain: Chain, tmp_path: Path) -> None:
    """A refusal is one line with the API's reason, exit status 1, and no file."""
    done = lumen(chain, "say", "Hello.", "-o", str(tmp_path / "clip.mp4"), "--language", "klingonish")
    assert done.returncode == 1
    assert "klingonish" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_walk_over_all_endpoints(chain: Chain) -> None:
    """`scripts/test_api.py` passes against a running server."""
    command = [sys.executable, "scripts/test_api.py", "--url", chain.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
