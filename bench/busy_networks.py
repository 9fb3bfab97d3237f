"""The networks of `bench.busy`, each by the engine that serves it, with random inputs of one request."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lumen.contracts import (
    GFPGAN,
    SADTALKER_RENDERER,
    WARP_RENDERER,
    XTTS_GPT,
    XTTS_SPEAKER_WIDTH,
    XTTS_VOCODER,
)
from lumen.families.sadtalker.dims import SadTalkerDims
from lumen.families.xtts.dims import XttsDims
from lumen.runtime import onnx_config
from lumen.runtime.onnx_file import MANIFEST

PRODUCTS: Final = "products"
ON_ONE_THREAD: Final = (WARP_RENDERER,)
"""Models whose configuration names one thread; others have as many as there are cores."""

SIZES: Final[Mapping[str, Mapping[str, Sequence[int]]]] = {
    WARP_RENDERER: {"crop": (1, 256, 256, 3)},
    GFPGAN: {},
}
"""Models of one ONNX graph, and sizes of inputs that it leaves open."""

MODELS: Final = (SADTALKER_RENDERER, XTTS_VOCODER, XTTS_GPT, *SIZES)
STEPS: Final = 400
"""Codes of a sentence, after which the next one begins."""

SIDE: Final = 64
"""Side of the volumes of a portrait of 256 pixels."""

Run = Callable[[], object]


def network(name: str, repository: Path, threads: int, spin: int | None) -> Run:
    """Open a network; each call of what comes back is one request to it.

    Args:
        threads: of ONNX Runtime, where the model's configuration names none; 0 for LUMEN's own choice.
        spin: microseconds that ONNX Runtime's threads spin; None for LUMEN's own.
    """
    if spin is not None:
        vars(onnx_config)["RUNTIME_SPIN_MICROSECONDS"] = spin
    version = repository / name / "1"
    if name == PRODUCTS:
        return _products()
    if name == XTTS_GPT:
        return _steps(version, threads)
    if name in SIZES:
        return _graph(version, SIZES[name], 1 if name in ON_ONE_THREAD else threads)
    return _script(version, _frame(version) if name == SADTALKER_RENDERER else _latents(version))


def is_there(name: str, repository: Path) -> bool:
    """Whether a network needs no artifact, or has one."""
    return name == PRODUCTS or (repository / name / "1" / MANIFEST).is_file()


def _products() -> Run:
    """36 products of 64 x 64 by 64 x 128, as a renderer on tiles has them."""
    import torch

    left, right = torch.randn(36, 64, 64), torch.randn(36, 64, 128)
    return lambda: torch.relu(torch.bmm(left, right)).sum()


def _graph(version: Path, sizes: Mapping[str, Sequence[int]], threads: int) -> Run:
    from lumen.runtime.onnx_session import open_session
    from lumen.runtime.onnx_types import graph_of

    config = {"parameters": {"intra_op_thread_count": {"string_value": str(threads)}}}
    session = open_session(config, version, "CPU", 0)
    random = np.random.default_rng(1)
    feeds: dict[str, Any] = {}
    for spec in graph_of(session).inputs:
        shape = sizes.get(spec.name, [1 if size < 0 else size for size in spec.dims])
        kind = np.uint8 if spec.data_type == "TYPE_UINT8" else np.float32
        feeds[spec.name] = (random.random(shape, np.float32) * (255 if kind is np.uint8 else 1)).astype(kind)
    return lambda: session.run(None, feeds)


def _steps(version: Path, threads: int) -> Run:
    from bench.xtts_gpt import StepperEngine

    engine = StepperEngine(version, XttsDims(**_manifest(version)["dims"]), threads)
    made = STEPS

    def step() -> None:
        nonlocal made
        if made == STEPS:
            engine.start(1)
            made = 0
        engine.step()
        made += 1

    return step


def _script(version: Path, tensors: Sequence[Any]) -> Run:
    import torch

    from lumen.runtime.torch_file import SCRIPT_FILE
    from lumen.runtime.torch_session import executing, open_script

    module = open_script(version / SCRIPT_FILE)

    def run() -> object:
        with torch.inference_mode(), executing(optimized=False):
            return module(*tensors)

    return run


def _frame(version: Path) -> Sequence[Any]:
    """Inputs of SadTalker's renderer: a portrait's volumes and points, points of one frame."""
    import torch

    manifest = _manifest(version)
    dims, side = SadTalkerDims(**manifest["dims"]), SIDE * manifest["size"] // 256
    volume = (dims.depth, side, side)
    shapes = [(1, dims.channels(32), *volume), (1, 4, *volume), (1, 15, 3), (1, 1, 15, 3)]
    return [torch.rand(*shape) for shape in shapes]


def _latents(version: Path) -> Sequence[Any]:
    """Inputs of the vocoder: latents of 20 codes, all of whose sound is kept, and a speaker."""
    import torch

    width = _manifest(version)["dims"]["width"]
    whole = torch.zeros(1, 1, dtype=torch.int64), torch.tensor([[0, 80]])
    return [torch.rand(1, 20, width), *whole, torch.rand(1, XTTS_SPEAKER_WIDTH)]


def _manifest(version: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((version / MANIFEST).read_text())
    return found
