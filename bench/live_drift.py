"""Do sound and picture of one long answer stay together, by time stamps, by lips, and by beats?

    python -m bench.live_drift --minutes 10

Starts a chain of its own, sends finished speech to the face over the live socket, and decodes what comes.
By time stamps: the lengths of both, and every frame's place. By lips: the lag at which the loudness of the
decoded sound and the motion of the decoded mouth agree best, in the first fifth and in the last one; the
difference is the drift. By beats: the first and the last minute are one syllable every two seconds, at known
instants; each is heard as a click and seen as a mouth that springs open, and the time between the two must be
the same at the end. Ends in one line of JSON; the status is 1 where a drift is over one frame.
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
from lumen.errors import GenerationException, InvalidInputException
from lumen.live_client import LiveClient
from lumen.settings import Settings
from orchestrator.chain import running

TEXT: Final = (
    "Papa met Bob by the park. Mama had a map, and we walked up to the top of the hill, bit by bit. "
    "Why do you open the box, when nobody asked you to?"
)

PIECE_SECONDS: Final = 10
"""Sound that is sent at once."""

SYLLABLE: Final = "Pa!"
BEAT_SECONDS: Final = 2.0
BEATS: Final = 30
"""Beats at the beginning, and as many at the end."""

HEARD: Final = 0.1
"""Share of a beat's loudest sample with which it begins to be heard."""

SEEN: Final = 0.5
"""Share of a beat's widest mouth with which it is seen."""

LEAST_MINUTES: Final = 2 * (BEATS + 1) * BEAT_SECONDS / 60

BEFORE, AFTER = 6, 19
"""Frames around the instant of a beat in which its mouth is looked for."""

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
        sound: float64 [n_samples] at ``rate``.
    """

    loudness: FLOAT
    motion: FLOAT
    video: float
    audio: float
    off_place: float
    sound: FLOAT
    rate: int


@dataclass(frozen=True)
class Beats:
    """Times of beats against the instants at which they were sent, in frames.

    Attributes:
        click: of the decoded sound, the median. flash: of the decoded mouth.
        apart: between click and flash, each beat's.
    """

    click: float
    flash: float
    apart: FLOAT


def measure(options: argparse.Namespace) -> Report:
    """Make the answer, decode it and compare; passed where the drift is at most a frame."""
    if options.minutes < LEAST_MINUTES:
        raise InvalidInputException(
            f"Got {options.minutes:g} minutes, expected {LEAST_MINUTES:.1f} or more: beats take two of them."
        )
    with tempfile.TemporaryDirectory(prefix="lumen-drift-") as folder:
        path = Path(folder) / "answer.mp4"
        asyncio.run(_record(_settings(Path(folder), options), options.minutes, path))
        film = _decoded(path)
    part = len(film.motion) // 5
    first, last = lag(film, slice(0, part)), lag(film, slice(-part, None))
    starts = _instants(options.minutes)
    begun, ended = beats(film, starts[:BEATS]), beats(film, starts[BEATS:])
    beat_drift = float(np.median(ended.apart) - np.median(begun.apart))
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
        "beats_at_first": _told(begun),
        "beats_at_last": _told(ended),
        "beat_drift_frames": round(beat_drift, 3),
    }
    together = max(abs(last - first), abs(beat_drift)) <= 1
    return Report(result, passed=together and film.off_place < 0.5 / FACE_FPS)


async def _record(settings: Settings, minutes: float, path: Path) -> None:
    """Send the speech and save the answer, as fast as it is made."""
    async with running(settings, Console(stderr=True)) as chain:
        said = np.concatenate([await asyncio.to_thread(spoken, chain.url, TEXT), silence(0.7)])
        speech: Samples = np.resize(said, round(60 * minutes * RATE))
        _put_beats(speech, await asyncio.to_thread(spoken, chain.url, SYLLABLE), _instants(minutes))
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


def _instants(minutes: float) -> list[float]:
    """Seconds at which beats are sent: those of the beginning, then those of the end."""
    end = 60 * minutes - BEATS * BEAT_SECONDS
    return [start + index * BEAT_SECONDS for start in (BEAT_SECONDS, end) for index in range(BEATS)]


def _put_beats(speech: Samples, syllable: Samples, instants: list[float]) -> None:
    """Put beats in place of the speech of those times: a syllable, then silence."""
    loud = np.flatnonzero(np.abs(syllable.astype(np.float64)) > HEARD * np.abs(syllable).max())
    beat = np.zeros(round(BEAT_SECONDS * RATE), speech.dtype)
    sound = syllable[loud[0] : loud[-1]][: len(beat) // 2]
    beat[: len(sound)] = sound
    speech[: round(BEAT_SECONDS * RATE)] = 0
    for instant in instants:
        start = round(instant * RATE)
        speech[start : start + len(beat)] = beat[: len(speech) - start]


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
    return Film(loudness[:count], np.array(motion[:count]), video, audio, float(off_place), sound, rate)


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


def beats(film: Film, instants: list[float]) -> Beats:
    """The times at which beats are heard and seen, against the instants at which they were sent."""
    clicks = np.array([_click(film, instant) for instant in instants])
    flashes = np.array([_flash(film, instant) for instant in instants])
    return Beats(float(np.median(clicks)), float(np.median(flashes)), flashes - clicks)


def _click(film: Film, instant: float) -> float:
    """Frames from the instant until the beat is heard."""
    start = round((instant - BEFORE / FACE_FPS) * film.rate)
    heard = np.abs(film.sound[start : start + (BEFORE + AFTER) * film.rate // FACE_FPS])
    return float(np.argmax(heard > HEARD * heard.max()) / film.rate * FACE_FPS - BEFORE)


def _flash(film: Film, instant: float) -> float:
    """Frames from the instant until the mouth is half as wide open as it will be, to a fraction of one."""
    start = round(instant * FACE_FPS) - BEFORE
    seen = film.motion[start : start + BEFORE + AFTER] - np.median(film.motion[start : start + BEFORE // 2])
    at = max(1, int(np.argmax(seen >= SEEN * seen.max())))
    low, high = seen[at - 1], seen[at]
    return float(at - 1 + (SEEN * seen.max() - low) / (high - low) - BEFORE)


def _told(found: Beats) -> dict[str, float]:
    spread = np.percentile(found.apart, 95) - np.percentile(found.apart, 5)
    return {
        "click": round(found.click, 3),
        "flash": round(found.flash, 3),
        "apart": round(float(np.median(found.apart)), 3),
        "spread": round(float(spread), 3),
    }


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
