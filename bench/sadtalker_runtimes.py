"""SadTalker's renderer in each way that this machine's processor can serve it.

    python -m bench.sadtalker_runtimes [rounds]

Full size, 256 pixels, random weights, ``THREADS`` threads, one frame per call, warm: the files that
``lumen export sadtalker`` writes, run by the engines that serve them. The ways take turns in every round,
so that a busy machine disturbs all of them; times are medians of the rounds. Frames are in 8 bits; their
errors are against those of eager PyTorch with the networks as loaded, on a scale of 0..1. OpenVINO is tried
where it is installed. Ends in one JSON line.
"""

import importlib
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.report import machine
from bench.turns import medians
from export.artifact import ExportOptions
from export.sadtalker.checkpoint import SadTalkerNetworks, load_checkpoint
from export.sadtalker.networks.generator import FrameRenderer
from export.sadtalker.random import write_random
from export.sadtalker.renderer import FRAMES, RendererArtifact, RendererNetwork, inputs
from lumen.runtime.batches import Array, Request, Tensors
from lumen.runtime.onnx_file import DEFAULT_FILE
from lumen.runtime.onnx_session import OnnxModel
from lumen.runtime.torch_file import SCRIPT_FILE
from lumen.runtime.torch_session import ScriptModel

THREADS: Final = 2
ROUNDS: Final = 3
SEED: Final = 1
N_FRAMES: Final = 2
WHITE: Final = 255.0

EAGER: Final = "PyTorch, as loaded"
OPENVINO: Final = "OpenVINO, folded"
OPENVINO_PACKAGE: Final = "openvino"
"""Not among the requirements."""

FILES: Final = {
    "ONNX Runtime, folded": ExportOptions("cpu", "fp32", "onnx"),
    "TorchScript, folded": ExportOptions("gpu", "fp32", "torchscript"),
    "TorchScript, folded, bf16": ExportOptions("gpu", "bf16", "torchscript"),
    "TorchScript, on tiles": ExportOptions("cpu", "fp32", "torchscript"),
}
"""What is written for a GPU has no tiles, and runs on a processor too."""

Way = Callable[[Tensors], Array]
"""The renderer's inputs of one frame -> uint8 [1, 1, S, S, 3]."""


@dataclass(frozen=True)
class Row:
    """One way.

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


def main(rounds: int) -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as folder:
        write_random(Path(folder), SEED)
        model = load_checkpoint(Path(folder))
        together = {name: tensor.numpy() for name, tensor in inputs(model, N_FRAMES, 1).items()}
        frames = [{name: array[i : i + 1] for name, array in together.items()} for i in range(N_FRAMES)]
        ways = _ways(model, Path(folder))
        drawn = {name: np.concatenate([way(frame) for frame in frames]) for name, way in ways.items()}
        seconds = medians(ways, frames, rounds)
    rows = [_row(name, seconds, drawn) for name in ways]
    Console().print(_table(rows))
    result = {**machine(), "threads": THREADS, "torch": torch.__version__, "rounds": rounds}
    sys.stdout.write(json.dumps({**result, "ways": [asdict(row) for row in rows]}) + "\n")


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
    """By the engine that serves such a file, as its configuration has it."""
    names = ("appearance", "compressed", "source", "driving")
    dims = (["-1"] * 4, ["4", *["-1"] * 3], ["15", "3"], ["-1", "15", "3"])
    config: dict[str, Any] = {
        "max_batch_size": 8,
        "input": [
            {"name": name, "data_type": "TYPE_FP32", "dims": size}
            for name, size in zip(names, dims, strict=True)
        ],
        "output": [{"name": FRAMES, "data_type": "TYPE_UINT8", "dims": ["-1", "-1", "-1", "3"]}],
    }
    engine: OnnxModel | ScriptModel
    if (version / SCRIPT_FILE).is_file():
        config["parameters"] = {
            "DISABLE_OPTIMIZED_EXECUTION": {"string_value": "true"},
            "INTRA_OP_THREAD_COUNT": {"string_value": str(THREADS)},
        }
        engine = ScriptModel(config, version, "CPU", 0)
    else:
        config["parameters"] = {"intra_op_thread_count": {"string_value": str(THREADS)}}
        engine = OnnxModel(config, version, "CPU", 0)

    def draw(frame: Tensors) -> Array:
        (answer,) = engine.execute([Request(frame, (FRAMES,))])
        if isinstance(answer, Exception):
            raise answer
        return answer[FRAMES]

    return draw


def _openvino(graph: Path) -> dict[str, Way]:
    """Nothing, and the reason on the console, where it cannot run the graph."""
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
    table = Table(title="SadTalker's renderer as it is served, 256 pixels")
    table.add_column("way")
    for column in ("s per frame", "times as fast", "mean error", "energy of motion"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.way, f"{row.seconds:.3f}", f"{row.ratio:.2f}", f"{row.mean:.1e}", f"{row.motion:.4f}"
        )
    return table


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
