"""SadTalker through Triton with several clips at once: frames per second of each and in all, and batches.

    python -m bench.sadtalker_clips --url 127.0.0.1:8001 [--clips 1 2 4 8] [--frames 250]

Needs a server with `sadtalker` and its networks loaded. Each clip has a portrait of its own, noise as such,
and speech of noise in syllables; its frames come to this process. Ends in one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.report import machine
from lumen.contracts import FACE_FPS, SADTALKER, SADTALKER_RENDERER, SAMPLES_PER_FRAME
from lumen.errors import GenerationException, LumenException
from orchestrator.triton.client import Tensors, TritonClient, text_tensor

CLIPS: Final = (1, 2, 4, 8)
FRAMES: Final = 250
ANSWER_SECONDS: Final = 120.0
COEFFICIENTS: Final = 73
SYLLABLE_FRAMES: Final = 5
LOUDNESS: Final = 0.3
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


def main(url: str, clips: Sequence[int], frames: int, pixels: int, note: str) -> int:
    """Measure and print; 1 when a clip failed or nothing answers."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        loads = asyncio.run(_bench(url, clips, frames, pixels))
    except LumenException as error:
        console.print(error.message, style="red")
        return 1
    console.print(_table(loads))
    about = {"note": note, "frames": frames, "pixels": pixels}
    sys.stdout.write(json.dumps({**machine(), **about, "loads": [asdict(load) for load in loads]}) + "\n")
    return 0


async def _bench(url: str, clips: Sequence[int], frames: int, pixels: int) -> list[Load]:
    """Each load after clips that warm up the batches that it will meet."""
    client = TritonClient(url, ANSWER_SECONDS)
    loads = []
    try:
        for count in clips:
            asked = [_request(number, frames, pixels) for number in range(count)]
            await asyncio.gather(*(_clip(client, each) for each in asked))
            loads.append(await _load(client, asked))
    finally:
        await client.close()
    return loads


async def _load(client: TritonClient, asked: Sequence[Tensors]) -> Load:
    before = await _batches(client)
    started = time.perf_counter()
    arrivals = await asyncio.gather(*(_clip(client, each) for each in asked))
    seconds = time.perf_counter() - started
    after = await _batches(client)
    made = {size: count - before.get(size, 0) for size, count in sorted(after.items())}
    return Load(
        clips=len(asked),
        fps=round(sum(n for clip in arrivals for _, n in clip) / seconds, 2),
        slowest_fps=round(min(map(_fps, arrivals)), 2),
        first_frame_s=round(max(clip[0][0] for clip in arrivals) - started, 3),
        batches={size: count for size, count in made.items() if count},
    )


def _fps(arrivals: Sequence[tuple[float, int]]) -> float:
    """Of frames after the first response."""
    seconds = arrivals[-1][0] - arrivals[0][0]
    return sum(n for _, n in arrivals[1:]) / seconds if seconds else 0.0


async def _clip(client: TritonClient, tensors: Tensors) -> list[tuple[float, int]]:
    """When responses came, and their frames.

    Raises:
        GenerationException: frames are missing.
    """
    async with aclosing(client.stream(SADTALKER, tensors)) as answers:
        arrivals = [(time.perf_counter(), len(answer["frames"])) async for answer in answers]
    wanted, got = int(tensors["n_frames"][0]), sum(n for _, n in arrivals)
    if got != wanted:
        raise GenerationException(f"{SADTALKER} sent {got} frames, expected {wanted}.")
    return arrivals


async def _batches(client: TritonClient) -> dict[int, int]:
    stats = {model.name: model for model in await client.statistics()}
    if SADTALKER_RENDERER not in stats:
        raise GenerationException(
            f"Triton has not loaded {SADTALKER_RENDERER}; load the face's models first."
        )
    counted = stats[SADTALKER_RENDERER].batch_stats
    return {int(batch.batch_size): int(batch.compute_infer.count) for batch in counted}


def _request(number: int, frames: int, pixels: int) -> Tensors:
    random = np.random.default_rng(number)
    return {
        "crop": random.integers(0, 256, (pixels, pixels, 3), np.uint8),
        "row": (SPREAD * random.standard_normal(COEFFICIENTS)).astype(np.float32),
        "preprocess": text_tensor("crop"),
        "pcm": _babble(random, frames),
        "pcm_start": np.zeros(1, np.int64),
        "first_frame": np.zeros(1, np.int64),
        "n_frames": np.array([frames], np.int32),
        "clip_frames": np.array([frames], np.int64),
        "seed": np.array([number], np.int64),
    }


def _babble(random: np.random.Generator, frames: int) -> NDArray[np.float32]:
    n, syllable = frames * SAMPLES_PER_FRAME, SYLLABLE_FRAMES * SAMPLES_PER_FRAME
    loudness = np.repeat(random.uniform(0, LOUDNESS, n // syllable + 1), syllable)[:n]
    pcm: NDArray[np.float32] = (loudness * random.standard_normal(n)).clip(-1, 1).astype(np.float32)
    return pcm


def _table(loads: Sequence[Load]) -> Table:
    table = Table(title="SadTalker through Triton", caption=f"a clip plays {FACE_FPS} frames a second")
    for column in ("clips at once", "frames/s in all", "slowest clip", "first frame s"):
        table.add_column(column, justify="right")
    table.add_column("renderer's batches, in calls")
    for load in loads:
        batches = "  ".join(f"{size}: {count}" for size, count in load.batches.items())
        numbers = (load.clips, load.fps, load.slowest_fps, load.first_frame_s)
        table.add_row(*map(str, numbers), batches)
    return table


def _arguments() -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="127.0.0.1:8001", help="host:port of Triton's gRPC")
    parser.add_argument("--clips", type=int, nargs="+", default=CLIPS, help="at once, of each load")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each clip")
    parser.add_argument("--pixels", type=int, default=256, choices=(256, 512), help="as exported")
    parser.add_argument("--note", default="random weights", help="weights and precision, for the record")
    return vars(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main(**_arguments()))
