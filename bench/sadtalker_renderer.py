"""Time of a frame of SadTalker's renderer on this CPU, and the error of each way of computing it.

    python -m bench.sadtalker_renderer [rounds] [pixels]

Full size, 256 pixels or 512, random weights, fp32, eager PyTorch on ``THREADS`` threads, one portrait,
warm. The ways alternate in every round, so that a busy machine disturbs all of them; times are medians of
the rounds. All draw [1, 3, S, S] in (0, 1): rounding to bytes is not part of it. "Whole" computes the
portrait's part for every frame; all others get it from the network as loaded, made once. Errors are those
of two frames against "whole"; the energy of motion is the mean square of what changes between the two. Then
the operators that a frame of the last way spends its time in, and one JSON line.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import torch
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from bench.runner import Report, run_benchmark, table_of
from bench.timing import interleaved_medians
from export.sadtalker.checkpoint import GENERATOR
from export.sadtalker.networks.folding import folded_generator
from export.sadtalker.networks.generator import Generator, Source
from export.sadtalker.networks.tiled_renderer import TiledFrame
from export.sadtalker.random import random_state
from lumen.families.sadtalker.dims import KEYPOINTS, SadTalkerDims

THREADS: Final = 2
ROUNDS: Final = 3
SEED: Final = 1

SIZE: Final = 256
"""Side of the frames in pixels."""

OPERATORS: Final = 8
"""Number of operators that are named; the others are summed."""

POINTS_SPREAD: Final = 0.3
"""Standard deviation of the portrait's key points; the picture reaches from -1 to 1."""

SHIFTS: Final = 0.05
"""Standard deviation of their shifts in a frame."""

CLOSE: Final = 1e-3

Way = Callable[[Tensor], Tensor]
"""Driving key points [1, 15, 3] -> frame [1, 3, S, S]."""


@dataclass(frozen=True)
class Row:
    """Result of one way, in seconds per frame and in brightness (0 to 1).

    Attributes:
        ratio: how many times as fast as the first way.
        close: share of values within ``CLOSE`` of the first way's.
        motion: mean square of what changes between the two frames.
    """

    way: str
    seconds: float
    ratio: float
    mean: float
    most: float
    close: float
    motion: float


@torch.inference_mode()
def measure(options: argparse.Namespace) -> Report:
    """Draw two frames in every way, and time them."""
    rounds, size = options.rounds, options.pixels
    torch.set_num_threads(THREADS)
    noise = torch.Generator().manual_seed(SEED)
    image = torch.rand(1, 3, size, size, generator=noise)
    source = POINTS_SPREAD * torch.randn(1, KEYPOINTS, 3, generator=noise)
    driving = [source + SHIFTS * torch.randn(source.shape, generator=noise) for _ in range(2)]
    ways = _ways(_generator(), image, source)
    frames = {name: torch.cat([way(points) for points in driving]) for name, way in ways.items()}
    seconds = interleaved_medians(ways, driving, rounds)
    first = next(iter(ways))
    rows = [_row(name, seconds[name], seconds[first], frames[name], frames[first]) for name in ways]
    operators = _operators(lambda: ways[rows[-1].way](driving[0]))
    about = {"threads": THREADS, "torch": torch.__version__, "size": size, "rounds": rounds}
    result = {**about, "ways": [asdict(row) for row in rows], "operators": operators}
    return Report(result, [_table(rows, size), _operator_table(operators)])


def _generator() -> Generator:
    """Generator with the weights of a random checkpoint of ``SEED``."""
    generator = Generator(SadTalkerDims())
    layout = {GENERATOR + name: tensor for name, tensor in generator.state_dict().items()}
    state = random_state(layout, SEED)
    generator.load_state_dict({name.removeprefix(GENERATOR): tensor for name, tensor in state.items()})
    return generator.eval().requires_grad_(False)


def _ways(generator: Generator, image: Tensor, source: Tensor) -> dict[str, Way]:
    """The first is what the others are compared with."""
    portrait = generator.encode(image)
    return {
        "whole, as loaded": lambda driving: generator(image, source, driving),
        "per frame, as loaded": _split(generator, portrait, source),
        "per frame, folded": _split(folded_generator(generator), portrait, source),
        "per frame, on tiles": _tiled(TiledFrame(generator), portrait, source),
    }


def _split(generator: Generator, portrait: Source, source: Tensor) -> Way:
    return lambda driving: generator.render(portrait, source, driving)


def _tiled(renderer: TiledFrame, portrait: Source, source: Tensor) -> Way:
    return lambda driving: renderer(*portrait, source, driving)


def _row(name: str, seconds: float, first_seconds: float, frames: Tensor, first: Tensor) -> Row:
    apart = (frames - first).abs()
    return Row(
        way=name,
        seconds=seconds,
        ratio=first_seconds / seconds,
        mean=float(apart.mean()),
        most=float(apart.max()),
        close=float((apart <= CLOSE).float().mean()),
        motion=float((frames[1] - frames[0]).square().mean()),
    )


def _operators(frame: Callable[[], Tensor]) -> dict[str, float]:
    """Seconds by operator, the slowest first, those of what it calls not counted."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        frame()
    times = {each.key: each.self_cpu_time_total / 1e6 for each in profiler.key_averages()}
    ranked = sorted(times.items(), key=lambda item: -item[1])
    return {**dict(ranked[:OPERATORS]), "all others": sum(seconds for _, seconds in ranked[OPERATORS:])}


def _operator_table(operators: dict[str, float]) -> Table:
    whole = sum(operators.values())
    rows = [(name, f"{seconds:.3f}", f"{seconds / whole:.0%}") for name, seconds in operators.items()]
    title = "Where a frame of the last way spends its time"
    return table_of(title, ["operator"], ["seconds", "share"], rows)


def _table(rows: Sequence[Row], size: int) -> Table:
    columns = ["s per frame", "times as fast", "mean error", "largest", f"within {CLOSE:g}", "motion"]
    cells = [
        (
            row.way,
            f"{row.seconds:.3f}",
            f"{row.ratio:.2f}",
            f"{row.mean:.1e}",
            f"{row.most:.1e}",
            f"{row.close:.4%}",
            f"{row.motion:.6f}",
        )
        for row in rows
    ]
    return table_of(f"SadTalker's renderer, {size} pixels", ["way"], columns, cells)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)
    parser.add_argument("pixels", type=int, nargs="?", default=SIZE, choices=(256, 512))


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
