"""Do sound and picture of one long answer stay together, by time stamps and by lips?

    python -m bench.live_drift --minutes 10

Starts a chain of its own, sends finished speech to the face over the live socket, and decodes what comes.
By time stamps: the lengths of both, and every frame's place. By lips: the lag at which the loudness of the
decoded sound and the motion of the decoded mouth agree best, in the first fifth and in the last one; the
difference is the drift. Ends in one line of JSON; the status is 1 where the drift is over one frame.
"""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from rich.console import Console

from bench.runner import Report, run_benchmark
from bench.sounds import RATE, Samples, silence, spoken
from lumen.contracts import FACE_FPS
from lumen.errors import GenerationException
from lumen.live_client import LiveClient
from lumen.settings import Settings
from orchestrator.chain import running

TEXT: Final = (
    "Papa met Bob by the park. Mama had a map, and we walked up to the top of the hill, bit by bit. "
    "Why do you open the box, when nobody asked you to?"
)

PIECE_SECONDS: Final = 10
"""Sound that is sent at once."""

MOST_LAG: Final = 12
"""Frames by which sound and lips are shifted against each other at most, either way."""

SLOW_FRAMES: Final = 2 * FACE_FPS
"""Changes that take longer are not those of syllables."""

MOUTH_ROWS, MOUTH_COLUMNS = (0.6, 0.85), (0.3, 0.7)
"""Part of the picture with the mouth, as shares of its side."""

FLOAT = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Film:
    """Decoded picture and sound.

    Attributes:
        loudness: of the sound under each frame. motion: of the mouth, against the first frame.
        video, audio: length of each by its time stamps, in seconds.
        off_place: the most that a frame is away from its place, in seconds, by the second frame's.
    """

    loudness: FLOAT
    motion: FLOAT
    video: float
    audio: float
    off_place: float


def measure(options: argparse.Namespace) -> Report:
    """Make the answer, decode it and compare; passed where the drift is at most a frame."""
    with tempfile.TemporaryDirectory(prefix="lumen-drift-") as folder:
        path = Path(folder) / "answer.mp4"
        asyncio.run(_record(_settings(Path(folder), options), options.minutes, path))
        film = _decoded(path)
    part = len(film.motion) // 5
    first, last = lag(film, slice(0, part)), lag(film, slice(-part, None))
    result: dict[str, Any] = {
        "minutes": options.minutes,
        "frames": len(film.motion),
        "video_s": round(film.video, 4),
        "audio_s": round(film.audio, 4),
        "length_difference_ms": round(1000 * (film.video - film.audio), 2),
        "frame_off_place_ms": round(1000 * film.off_place, 3),
        "lag_first_fifth_frames": round(first, 3),
        "lag_last_fifth_frames": round(last, 3),
        "drift_frames": round(last - first, 3),
    }
    return Report(result, passed=abs(last - first) <= 1 and film.off_place < 0.5 / FACE_FPS)


async def _record(settings: Settings, minutes: float, path: Path) -> None:
    """Send the speech and save the answer, as fast as it is made."""
    async with running(settings, Console(stderr=True)) as chain:
        said = np.concatenate([await asyncio.to_thread(spoken, chain.url, TEXT), silence(0.7)])
        speech: Samples = np.resize(said, round(60 * minutes * RATE))
        async with LiveClient(chain.url) as client:
            size = {"resolution": {"width": 256, "height": 256}}
            await client.send("session.update", session={"avatar": {"video": size}})
            sending = asyncio.create_task(_send(client, speech))
            with path.open("wb") as file:
                async for event in client.events():
                    if event["type"] == "error":
                        raise GenerationException(event["error"]["message"])
                    if event["type"] == "response.done":
                        break
                    if event["type"] == "response.video.delta":
                        await asyncio.to_thread(file.write, event["delta"])
                        place = {"response_id": event["response_id"], "audio_end_ms": event["video_end_ms"]}
                        await client.send("output_audio_buffer.played", **place)
            await sending


async def _send(client: LiveClient, speech: Samples) -> None:
    step = PIECE_SECONDS * RATE
    for start in range(0, len(speech), step):
        await client.hear(speech[start : start + step].tobytes(), "agent.speak")
    await client.send("agent.speak_end")


def _decoded(path: Path) -> Film:
    motion, places = [], []
    rest: npt.NDArray[np.int16] | None = None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            mouth = _mouth(frame.to_ndarray(format="gray"))
            rest = mouth if rest is None else rest
            motion.append(float(np.abs(mouth - rest).mean()))
            places.append(float(frame.time or 0.0))
    sound, rate, audio = _sound(path)
    per_frame = rate // FACE_FPS
    loudness = np.sqrt(
        np.mean(sound[: len(sound) // per_frame * per_frame].reshape(-1, per_frame) ** 2, axis=1)
    )
    # From the second frame on: the first one is held for the delay of the sound's encoder as well.
    off_place = np.abs(np.array(places[1:]) - places[1] - np.arange(len(places) - 1) / FACE_FPS).max()
    video = places[-1] - places[0] + 1 / FACE_FPS
    count = min(len(motion), len(loudness))
    return Film(loudness[:count], np.array(motion[:count]), video, audio, float(off_place))


def _sound(path: Path) -> tuple[FLOAT, int, float]:
    """The decoded sound, its rate, and its length by its time stamps."""
    resampler = av.AudioResampler(format="fltp", layout="mono")
    pieces, end, rate = [], 0.0, 0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            rate = frame.sample_rate
            end = float(frame.time or 0.0) + frame.samples / rate
            pieces += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
    return np.concatenate(pieces).astype(np.float64), rate, end


def _mouth(frame: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    (top, bottom), (left, right) = (
        [round(share * side) for share in part]
        for part, side in zip((MOUTH_ROWS, MOUTH_COLUMNS), frame.shape, strict=True)
    )
    return frame[top:bottom, left:right].astype(np.int16)


def lag(film: Film, part: slice) -> float:
    """Frames by which the mouth is behind the sound, to a fraction of one."""
    sound, mouth = (_quick(series[part]) for series in (film.loudness, film.motion))
    inner = slice(MOST_LAG, len(sound) - MOST_LAG)
    lags = range(-MOST_LAG, MOST_LAG + 1)
    scores = np.array([np.dot(sound[inner], np.roll(mouth, -lag)[inner]) for lag in lags])
    best = int(np.clip(scores.argmax(), 1, len(scores) - 2))
    before, here, after = scores[best - 1 : best + 2]
    return float(lags[best] + 0.5 * (before - after) / (before - 2 * here + after))


def _quick(series: FLOAT) -> FLOAT:
    """The series without its slow changes."""
    return series - np.convolve(series, np.ones(SLOW_FRAMES) / SLOW_FRAMES, "same")


def _settings(folder: Path, options: argparse.Namespace) -> Settings:
    return Settings(
        writer="echo",
        outputs_path=folder / "outputs",
        logs_path=folder / "logs",
        max_audio_seconds=60 * options.minutes + 10,
        api_host="127.0.0.1",
        api_port=0,
        triton_url="127.0.0.1:0",
        triton_http_port=0,
        triton_metrics_port=0,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the answer")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
