"""SadTalker through Triton with several clips at once: frames per second of each and in all, and batches.

    python -m bench.sadtalker_clips --url 127.0.0.1:8001 [--clips 1 2 4 8] [--frames 250]

Needs a server with `sadtalker` and its networks loaded. Each clip has a portrait of its own, noise as such,
and speech of noise in syllables; its frames come to this process. Ends in one line of JSON.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from rich.table import Table

from bench.batches import batches_since, batches_text, executed_batches
from bench.runner import Report, run_benchmark, table_of
from bench.syllables import noise_in_syllables
from lumen.contracts import FACE_FPS, SADTALKER, SADTALKER_RENDERER, SAMPLES_PER_FRAME
from lumen.errors import GenerationException
from orchestrator.triton.client import Tensors, TritonClient, text_tensor

CLIPS: Final = (1, 2, 4, 8)
FRAMES: Final = 250
ANSWER_SECONDS: Final = 120.0
COEFFICIENTS: Final = 73
SPREAD: Final = 0.1
"""Standard deviation of a portrait's coefficients."""


@dataclass(frozen=True)
class Load:
    """Clips that were made side by side.

    Attributes:
        clips: at once.
        fps: frames per second of all together.
        slowest_fps: of the slowest clip, from its first frame on.
        first_frame_s: of the slowest clip to begin.
        batches: executions of the renderer by the calls in them.
    """

    clips: int
    fps: float
    slowest_fps: float
    first_frame_s: float
    batches: dict[int, int]


def measure(options: argparse.Namespace) -> Report:
    """Make the clips of each load."""
    loads = asyncio.run(_bench(options.url, options.clips, options.frames, options.pixels))
    about = {"note": options.note, "frames": options.frames, "pixels": options.pixels}
    return Report({**about, "loads": [asdict(load) for load in loads]}, [_table(loads)])


async def _bench(url: str, clips: Sequence[int], frames: int, pixels: int) -> list[Load]:
    """Measure each load, after clips that warm up the batches that it will meet."""
    client = TritonClient(url, ANSWER_SECONDS)
    loads = []
    try:
        for count in clips:
            requests = [_request(number, frames, pixels) for number in range(count)]
            await asyncio.gather(*(_clip(client, each) for each in requests))
            loads.append(await _load(client, requests))
    finally:
        await client.close()
    return loads


async def _load(client: TritonClient, requests: Sequence[Tensors]) -> Load:
    before = await executed_batches(client, SADTALKER_RENDERER)
    started = time.perf_counter()
    arrivals = await asyncio.gather(*(_clip(client, each) for each in requests))
    seconds = time.perf_counter() - started
    after = await executed_batches(client, SADTALKER_RENDERER)
    return Load(
        clips=len(requests),
        fps=round(sum(n for clip in arrivals for _, n in clip) / seconds, 2),
        slowest_fps=round(min(map(_fps, arrivals)), 2),
        first_frame_s=round(max(clip[0][0] for clip in arrivals) - started, 3),
        batches=batches_since(before, after),
    )


def _fps(arrivals: Sequence[tuple[float, int]]) -> float:
    """Frames per second after the first response."""
    seconds = arrivals[-1][0] - arrivals[0][0]
    return sum(n for _, n in arrivals[1:]) / seconds if seconds else 0.0


async def _clip(client: TritonClient, tensors: Tensors) -> list[tuple[float, int]]:
    """Make one clip: times of its responses, and the frames in each.

    Raises:
        GenerationException: frames are missing.
    """
    async with aclosing(client.stream(SADTALKER, tensors)) as answers:
        arrivals = [(time.perf_counter(), len(answer["frames"])) async for answer in answers]
    wanted, got = int(tensors["n_frames"][0]), sum(n for _, n in arrivals)
    if got != wanted:
        raise GenerationException(f"{SADTALKER} sent {got} frames, expected {wanted}.")
    return arrivals


def _request(number: int, frames: int, pixels: int) -> Tensors:
    random = np.random.default_rng(number)
    return {
        "crop": random.integers(0, 256, (pixels, pixels, 3), np.uint8),
        "coefficients": (SPREAD * random.standard_normal(COEFFICIENTS)).astype(np.float32),
        "preprocess": text_tensor("crop"),
        "pcm": noise_in_syllables(random, frames * SAMPLES_PER_FRAME),
        "pcm_start": np.zeros(1, np.int64),
        "first_frame": np.zeros(1, np.int64),
        "n_frames": np.array([frames], np.int32),
        "clip_frames": np.array([frames], np.int64),
        "seed": np.array([number], np.int64),
    }


def _table(loads: Sequence[Load]) -> Table:
    rows = [
        (
            batches_text(load.batches),
            *map(str, (load.clips, load.fps, load.slowest_fps, load.first_frame_s)),
        )
        for load in loads
    ]
    return table_of(
        "SadTalker through Triton",
        ["renderer's batches, in calls"],
        ["clips at once", "frames/s in all", "slowest clip", "first frame s"],
        rows,
        f"a clip plays {FACE_FPS} frames a second",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="127.0.0.1:8001", help="host:port of Triton's gRPC")
    parser.add_argument("--clips", type=int, nargs="+", default=CLIPS, help="at once, of each load")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each clip")
    parser.add_argument("--pixels", type=int, default=256, choices=(256, 512), help="as exported")
    parser.add_argument("--note", default="random weights", help="weights and precision, for the record")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
