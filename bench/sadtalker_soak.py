"""Does memory stay flat while SadTalker renders a long clip, through the REST API and Triton?

    python -m bench.sadtalker_soak [--seconds 600] [--every 30] [--repository DIR] [--stand-in]

Uploads so many seconds of noise in syllables to ``POST /api/generate/video`` of a chain of its own, and
prints what every process has in memory and what Triton has in /dev/shm. The networks are those of the
repository: export small ones (``lumen export random sadtalker --tiny``) where there is no time for the
released sizes. ``--stand-in`` takes a graph in place of the renderer that has its tensors and none of its
work. The result says what was rendered with. Ends in one JSON line; the status is 1 where memory grows.
"""

import argparse
import asyncio
import io
import sys
import tempfile
import time
import uuid
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
import httpx
import numpy as np
from rich.console import Console

from bench import stand_in
from bench.processes import resident_bytes, shared_bytes
from bench.runner import Report, run_benchmark
from bench.syllables import noise_in_syllables
from lumen.client import PROGRESS_HEADER
from lumen.contracts import FACE_FPS, FACE_SAMPLE_RATE, SADTALKER_RENDERER
from lumen.errors import GenerationException
from lumen.families.sadtalker.artifacts import read_manifest, sizes_of
from lumen.settings import Settings
from orchestrator.chain import running

MIB: Final = 2**20

SETTLED_FRAMES: Final = 60 * FACE_FPS
"""Frames after which growth is counted: a minute of the clip."""

GROWTH_MIB: Final = 16.0
"""Tolerated growth of a process from a third of the clip to the next; 2 % of all frames would be more."""

SHARED: Final = "/dev/shm"
SEED: Final = 1


@dataclass
class Soak:
    """Readings of the memory during a clip.

    Attributes:
        rows: seconds since the request, frames so far, MiB by process.
    """

    rows: list[tuple[float, int, dict[str, float]]] = field(default_factory=list)

    def note(self, seconds: float, frames: int) -> dict[str, float]:
        sizes = {**resident_bytes(), SHARED: shared_bytes()}
        self.rows.append((seconds, frames, {name: round(n / MIB, 1) for name, n in sizes.items()}))
        return self.rows[-1][2]

    def growth(self) -> dict[str, float]:
        """MiB by which each process was ever larger than when it had settled."""
        settled = [sizes for _, frames, sizes in self.rows if frames >= SETTLED_FRAMES]
        settled = settled or [self.rows[-1][2]]
        return {
            name: round(max(s.get(name, 0.0) for s in settled) - mib, 1) for name, mib in settled[0].items()
        }

    def trend(self) -> dict[str, float]:
        """MiB by which each process was ever larger in the last third of the frames than in the middle one.

        A network takes more once, when it first meets a larger batch; what leaks goes on.
        """
        last = self.rows[-1][1]
        middle = self._largest(last / 3, 2 * last / 3)
        return {
            name: round(mib - middle.get(name, mib), 1)
            for name, mib in self._largest(2 * last / 3, last).items()
        }

    def _largest(self, first: float, end: float) -> dict[str, float]:
        """MiB of each process at most, of all rows with so many frames."""
        rows = [sizes for _, frames, sizes in self.rows if first <= frames <= end]
        return {name: max(sizes.get(name, 0.0) for sizes in rows) for name in rows[0]} if rows else {}


def measure(options: argparse.Namespace) -> Report:
    """Make one long clip and watch the memory; passed where it stays flat and no frame is missing."""
    seconds, repository = options.seconds, options.repository
    with tempfile.TemporaryDirectory(prefix="lumen-soak-") as folder:
        models = stand_in.linked(repository, Path(folder) / "models", options.small)
        soak, video = asyncio.run(_soak(_settings(models, Path(folder), seconds), seconds, options.every))
        frames, sound = _lengths(video)
    growth, trend = soak.growth(), soak.trend()
    flat = max(trend.values()) <= GROWTH_MIB
    dims, size = sizes_of(read_manifest(repository / SADTALKER_RENDERER / "1"))
    renderer = "stand-in" if options.small else "exported"
    result = {
        "networks": {**dims.to_json(), "size": size, "renderer": renderer},
        "clip_seconds": seconds,
        "took_seconds": round(soak.rows[-1][0], 1),
        "video_frames": frames,
        "video_sound_seconds": round(sound, 3),
        "growth_mib": growth,
        "trend_mib": trend,
        "flat": flat,
    }
    return Report(result, passed=flat and frames == round(seconds * FACE_FPS))


async def _soak(settings: Settings, seconds: float, every: float) -> tuple[Soak, Path]:
    console, soak, key = Console(stderr=True), Soak(), str(uuid.uuid4())
    async with running(settings, console) as chain, httpx.AsyncClient(base_url=chain.url) as client:
        started = time.monotonic()
        asking = asyncio.create_task(
            client.post(
                "/api/generate/video",
                data={"portrait": "ada", "seed": str(SEED)},
                files={"audio": ("noise.wav", _wav(seconds), "audio/wav")},
                headers={PROGRESS_HEADER: key},
                timeout=None,
            )
        )
        while not asking.done():
            await asyncio.wait([asking], timeout=every)
            told = (await client.get(f"/api/generate/progress/{key}")).json()
            frames = told.get("frames", round(seconds * FACE_FPS))
            passed = time.monotonic() - started
            _print(console, passed, frames, soak.note(passed, frames))
        answer = asking.result()
        if not answer.is_success:
            raise GenerationException(f"The clip was not made: {answer.text}")
        return soak, settings.outputs_path / Path(answer.json()["video_url"]).relative_to("/outputs")


def _settings(models: Path, folder: Path, seconds: float) -> Settings:
    return Settings(
        writer="echo",
        voice="espeak",
        face="sadtalker",
        model_repository=models,
        outputs_path=folder / "outputs",
        logs_path=folder / "logs",
        avatars_path=folder / "avatars",
        max_audio_seconds=seconds + 1,
        api_host="127.0.0.1",
        api_port=0,
        triton_url="127.0.0.1:0",
        triton_http_port=0,
        triton_metrics_port=0,
        gpu_enabled=False,
        frames_timeout=600,
    )


def _wav(seconds: float) -> bytes:
    """WAV file of noise in syllables."""
    n_samples = round(seconds * FACE_SAMPLE_RATE)
    samples = 32767 * noise_in_syllables(np.random.default_rng(SEED), n_samples)
    with io.BytesIO() as data:
        with wave.open(data, "wb") as file:
            file.setparams((1, 2, FACE_SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(samples.astype(np.int16).tobytes())
        return data.getvalue()


def _lengths(video: Path) -> tuple[int, float]:
    """Frames of the picture and seconds of the sound."""
    with av.open(str(video)) as file:
        frames = sum(packet.size > 0 for packet in file.demux(video=0))
        sound = file.streams.audio[0]
        assert sound.duration is not None
        assert sound.time_base is not None
        return frames, float(sound.duration * sound.time_base)


def _print(console: Console, seconds: float, frames: int, sizes: dict[str, float]) -> None:
    told = "  ".join(f"{name} {mib:g}" for name, mib in sizes.items())
    console.print(f"{seconds:6.0f} s  {frames:6d} frames  MiB: {told}", highlight=False, soft_wrap=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the clip")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two readings")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--stand-in", dest="small", action="store_true", help="a renderer without work")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
