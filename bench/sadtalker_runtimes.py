"""SadTalker's renderer in each way that this machine's processor can serve it.

    python -m bench.sadtalker_runtimes [rounds]

Full size, 256 pixels, random weights, ``THREADS`` threads, one frame per call, warm: the files that
``lumen export sadtalker`` writes, run by the engines that serve them. The ways alternate in every round,
so that a busy machine disturbs all of them; times are medians of the rounds. Frames are in 8 bits; their
errors are against those of eager PyTorch with the networks as loaded, on a scale of 0..1. OpenVINO is tried
where it is installed. Ends in one JSON line.
"""

import argparse
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.renderer_engine import open_renderer, rendered
from bench.runner import Report, run_benchmark, table_of
from bench.timing import interleaved_medians
from export.artifact import ExportOptions
from export.sadtalker.checkpoint import SadTalkerNetworks, load_checkpoint
from export.sadtalker.networks.generator import FrameRenderer
from export.sadtalker.random import write_random
from export.sadtalker.renderer import FRAMES, RendererArtifact, RendererNetwork, inputs
from lumen.runtime.batches import Array, Request, Tensors
from lumen.runtime.onnx_file import DEFAULT_FILE

THREADS: Final = 2
ROUNDS: Final = 3
SEED: Final = 1
N_FRAMES: Final = 2
MAX_BATCH: Final = 8
WHITE: Final = 255.0

EAGER: Final = "PyTorch, as loaded"
OPENVINO: Final = "OpenVINO, folded"
OPENVINO_PACKAGE: Final = "openvino"
"""Optional package, not among the requirements."""

FILES: Final = {
    "ONNX Runtime, folded": ExportOptions("cpu", "fp32", "onnx"),
    "TorchScript, folded": ExportOptions("gpu", "fp32", "torchscript"),
    "TorchScript, folded, bf16": ExportOptions("gpu", "bf16", "torchscript"),
    "TorchScript, on tiles": ExportOptions("cpu", "fp32", "torchscript"),
}
"""Options of the files that are compared. Those for a GPU have no tiles, and run on a processor too."""

Way = Callable[[Tensors], Array]
"""The renderer's inputs of one frame -> uint8 [1, 1, S, S, 3]."""


@dataclass(frozen=True)
class Row:
    """Result of one way.

    Attributes:
        seconds: per frame.
        ratio: how many times as fast as the first.
        mean: error, of 0..1.
        motion: energy of what changes between two frames, over the first way's.
    """

    way: str
    seconds: float
    ratio: float
    mean: float
    motion: float


def measure(options: argparse.Namespace) -> Report:
    """Draw two frames in every way, and time them."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as folder:
        write_random(Path(folder), SEED)
        model = load_checkpoint(Path(folder))
        together = {name: tensor.numpy() for name, tensor in inputs(model, N_FRAMES, 1).items()}
        frames = [{name: array[i : i + 1] for name, array in together.items()} for i in range(N_FRAMES)]
        ways = _ways(model, Path(folder))
        drawn = {name: np.concatenate([way(frame) for frame in frames]) for name, way in ways.items()}
        seconds = interleaved_medians(ways, frames, options.rounds)
    rows = [_row(name, seconds, drawn) for name in ways]
    about = {"threads": THREADS, "torch": torch.__version__, "rounds": options.rounds}
    return Report({**about, "ways": [asdict(row) for row in rows]}, [_table(rows)])


def _ways(model: SadTalkerNetworks, folder: Path) -> dict[str, Way]:
    """The first is what the others are compared with."""
    ways = {EAGER: _eager(RendererNetwork(FrameRenderer(model.generator)).eval())}
    for i, (name, options) in enumerate(FILES.items()):
        version = folder / str(i)
        version.mkdir()
        RendererArtifact().write(model, version, options)
        ways[name] = _served(version)
    if importlib.util.find_spec(OPENVINO_PACKAGE):
        ways |= _openvino(folder / "0" / DEFAULT_FILE)
    return ways


def _eager(network: RendererNetwork) -> Way:
    def draw(frame: Tensors) -> Array:
        with torch.inference_mode():
            result: Array = network(*map(torch.from_numpy, frame.values())).numpy()
        return result

    return draw


def _served(version: Path) -> Way:
    """Draw with the engine that serves the files of a version's folder."""
    engine = open_renderer(version, "CPU", MAX_BATCH, THREADS)
    return lambda frame: rendered(engine, [Request(frame, (FRAMES,))])[0]


def _openvino(graph: Path) -> dict[str, Way]:
    """OpenVINO's way; none, and the reason on the console, where it cannot run the graph."""
    openvino = importlib.import_module(OPENVINO_PACKAGE)

    try:
        compiled = openvino.Core().compile_model(str(graph), "CPU", {"INFERENCE_NUM_THREADS": THREADS})
    except RuntimeError as error:
        Console().print(f"OpenVINO {openvino.__version__} does not load the graph: {error}", style="yellow")
        return {}
    return {OPENVINO: lambda frame: np.array(compiled(frame)[0])}


def _row(name: str, seconds: dict[str, float], drawn: dict[str, Array]) -> Row:
    got, expected = drawn[name] / WHITE, drawn[EAGER] / WHITE
    return Row(
        way=name,
        seconds=seconds[name],
        ratio=seconds[EAGER] / seconds[name],
        mean=float(np.abs(got - expected).mean()),
        motion=float(np.square(got[1] - got[0]).sum() / np.square(expected[1] - expected[0]).sum()),
    )


def _table(rows: Sequence[Row]) -> Table:
    columns = ["s per frame", "times as fast", "mean error", "energy of motion"]
    cells = [
        (row.way, f"{row.seconds:.3f}", f"{row.ratio:.2f}", f"{row.mean:.1e}", f"{row.motion:.4f}")
        for row in rows
    ]
    return table_of("SadTalker's renderer as it is served, 256 pixels", ["way"], columns, cells)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
