"""SadTalker's renderer on a GPU: frames per second by precision and batch, and how near the limit that is.

    python -m bench.sadtalker_gpu [--pixels 256] [--batches 1 8 16 32] [--seconds 0.5]

Full size, random weights, one portrait, warm, eager PyTorch with its tensors on the GPU. What is "served" are
the files that ``lumen export sadtalker --device gpu`` writes, run by the engines that serve them, with arrays
in the machine's memory going in and coming out. Times are medians. The limit is what a product of two large
matrices reaches on the same card, for the arithmetic of the network as it was published. Errors are against
that network in fp32 without TF32; motion is the energy of what changes between two frames, over the
published network's. Ends in one JSON line.
"""

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.renderer_engine import Engine, open_renderer, rendered
from bench.runner import Report, run_benchmark, table_of
from bench.timing import median_seconds
from export.artifact import ExportOptions, Precision
from export.sadtalker.checkpoint import SadTalkerNetworks, load_checkpoint
from export.sadtalker.networks.folding import folded_generator, lean_generator
from export.sadtalker.networks.generator import FrameRenderer
from export.sadtalker.random import write_random
from export.sadtalker.renderer import DTYPES, FRAMES, RendererArtifact, RendererNetwork, inputs
from lumen.errors import LumenException
from lumen.runtime.batches import Request

SEED: Final = 1
COMPARED: Final = 4
"""Frames whose errors are counted."""

MAX_BATCH: Final = 4

PER_CALL: Final = 8
"""Frames of a portrait in a call of what is served."""

SIDE: Final = 8192
"""Rows and columns of the matrices whose product is the limit."""

WHITE: Final = 255.0


@dataclass(frozen=True)
class Way:
    """A network in eager PyTorch.

    Attributes:
        tf32: whether float32 is rounded to 19 bits for the matrix units.
        lean: as it is exported for a GPU, or folded as for a CPU.
    """

    precision: Precision
    tf32: bool = False
    lean: bool = True


WAYS: Final = {
    "fp32": Way("fp32"),
    "fp32, TF32 allowed": Way("fp32", tf32=True),
    "bf16": Way("bf16"),
    "fp16": Way("fp16"),
    "fp16, folded": Way("fp16", lean=False),
}
LIMITS: Final = {"fp32": "fp32", "fp32, TF32 allowed": "TF32", "bf16": "bf16"}
"""Names of the ways' arithmetic limits; fp16's for the others."""

SERVED: Final = {
    "served, TorchScript fp16": ExportOptions("gpu", "fp16", "torchscript"),
    "served, ONNX fp16": ExportOptions("gpu", "fp16", "onnx"),
}


@dataclass(frozen=True)
class Row:
    """A way at a batch.

    Attributes:
        batch: frames at a time.
        fps: frames per second.
        limit: share of the arithmetic limit; None for what is served.
        mean: error, of 0..1.
        motion: energy of motion over the published network's.
    """

    way: str
    batch: int
    fps: float
    limit: float | None
    mean: float
    motion: float


def measure(options: argparse.Namespace) -> Report:
    """Draw with every way and every served file, at each batch."""
    torch.manual_seed(SEED)
    pixels, batches, seconds, wanted = options.pixels, options.batches, options.seconds, options.ways
    console = Console(soft_wrap=True, highlight=False)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        write_random(Path(folder), SEED, pixels)
        model = load_checkpoint(Path(folder), pixels)
        given = inputs(model, 1, COMPARED)
        expected, flops = _published(model, given)
        ceilings = _ceilings(seconds)
        console.print(f"{flops / 1e12:.3f} TFLOP a frame; limits in TFLOP/s: {ceilings}")
        rows: list[Row] = []
        for name in [each for each in WAYS if wanted is None or each in wanted]:
            ceiling = ceilings[LIMITS.get(name, "fp16")] * 1e12 / flops
            rows += _network_rows(name, model, given, expected, batches, seconds, ceiling)
            console.print(_table(rows[-len(batches) :], pixels))
        for name in [each for each in SERVED if wanted is None or each in wanted]:
            version = Path(folder) / name
            version.mkdir()
            try:
                RendererArtifact().write(model, version, SERVED[name])
                engine = open_renderer(version, "GPU", MAX_BATCH)
                rows += _served_rows(name, engine, given, expected, batches, seconds)
            except LumenException as error:
                console.print(f"{name}: {error.message}", style="red")
    about = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "pixels": pixels}
    numbers = {"tflop_per_frame": round(flops / 1e12, 3), "limits_tflops": ceilings}
    return Report({**about, **numbers, "rows": [asdict(row) for row in rows]}, [_table(rows, pixels)])


def _published(model: SadTalkerNetworks, given: dict[str, Tensor]) -> tuple[Tensor, int]:
    """Frames [COMPARED, S, S, 3] in 0..1 of the network as loaded, and the operations of one."""
    network = RendererNetwork(FrameRenderer(copy.deepcopy(model.generator))).cuda()
    on_card = {name: tensor.cuda() for name, tensor in given.items()}
    with _numerics(tf32=False):
        frames = network.exact(*on_card.values())[0].cpu() / WHITE
        one = {**on_card, "driving": on_card["driving"][:, :1]}
        with FlopCounterMode(display=False) as counter:
            network.exact(*one.values())
    return frames, int(counter.get_total_flops())


def _network_rows(
    name: str,
    model: SadTalkerNetworks,
    given: dict[str, Tensor],
    expected: Tensor,
    batches: Sequence[int],
    seconds: float,
    ceiling: float,
) -> list[Row]:
    way = WAYS[name]
    made = (lean_generator if way.lean else folded_generator)(model.generator)
    generator = copy.deepcopy(made).to(DTYPES[way.precision]).cuda()
    network = RendererNetwork(FrameRenderer(generator)).eval()
    on_card = {tensor: value.cuda() for tensor, value in given.items()}
    rows = []
    with _numerics(way.tf32):
        frames = network.exact(*on_card.values())[0].cpu() / WHITE
        for batch in batches:
            driving = on_card["driving"].repeat(1, -(-batch // COMPARED), 1, 1)[:, :batch]
            arguments = (*list(on_card.values())[:-1], driving)
            fps = batch / _card_seconds(partial(network, *arguments), seconds)
            rows.append(Row(name, batch, fps, fps / ceiling, *_errors(frames, expected)))
    torch.cuda.empty_cache()
    return rows


def _served_rows(
    name: str,
    engine: Engine,
    given: dict[str, Tensor],
    expected: Tensor,
    batches: Sequence[int],
    seconds: float,
) -> list[Row]:
    """Calls of ``PER_CALL`` frames or fewer, so many at once that the batch is full."""
    arrays = {tensor: value.numpy() for tensor, value in given.items()}
    frames = torch.from_numpy(rendered(engine, [Request(arrays, (FRAMES,))])[0][0].astype(np.float32) / WHITE)
    rows = []
    for batch in batches:
        count = min(batch, PER_CALL)
        driving = np.tile(arrays["driving"], (1, -(-count // COMPARED), 1, 1))[:, :count]
        requests = [Request({**arrays, "driving": driving}, (FRAMES,))] * (batch // count)
        fps = batch / median_seconds(partial(rendered, engine, requests), seconds, warm_up=3)
        rows.append(Row(name, batch, fps, None, *_errors(frames, expected)))
    return rows


def _errors(frames: Tensor, expected: Tensor) -> tuple[float, float]:
    """Mean error, and the energy of motion over the expected one."""
    motion = frames.diff(dim=0).square().sum() / expected.diff(dim=0).square().sum()
    return float((frames - expected).abs().mean()), float(motion)


def _ceilings(seconds: float) -> dict[str, float]:
    """TFLOP/s of a product of two large matrices of noise, by precision."""
    found = {}
    for name, (dtype, tf32) in {
        "fp32": (torch.float32, False),
        "TF32": (torch.float32, True),
        "bf16": (torch.bfloat16, False),
        "fp16": (torch.float16, False),
    }.items():
        one, other = (torch.randn(SIDE, SIDE, device="cuda", dtype=dtype) for _ in range(2))
        with _numerics(tf32):
            took = _card_seconds(partial(torch.matmul, one, other), seconds)
        found[name] = round(2 * SIDE**3 / took / 1e12, 1)
    return found


def _card_seconds(call: Callable[[], Any], seconds: float) -> float:
    """Median of the calls that fit, by the card's own clock."""
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return median(times)


@contextmanager
def _numerics(tf32: bool) -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def _table(rows: Sequence[Row], pixels: int) -> Table:
    columns = ["batch", "frames/s", "of the limit", "mean error", "motion"]
    cells = [
        (
            row.way,
            str(row.batch),
            f"{row.fps:.1f}",
            "" if row.limit is None else f"{row.limit:.0%}",
            f"{row.mean:.1e}",
            f"{row.motion:.4f}",
        )
        for row in rows
    ]
    return table_of(f"SadTalker's renderer on a GPU, {pixels} pixels", ["way"], columns, cells)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pixels", type=int, default=256, choices=(256, 512))
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 8, 16, 32))
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--ways", nargs="+", choices=[*WAYS, *SERVED], help="all without")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
