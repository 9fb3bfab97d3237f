"""Processor time of a frame of the warp face's renderer, alone, on one thread.

    python -m bench.warp_renderer --beside OTHER/warp_renderer/1/model.onnx

Draws batches of a bundled portrait that speaks; another renderer takes turns with the one of the model
repository, so that a busy machine disturbs both. Ends in one line of JSON.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]

from bench.portraits import portrait_pixels
from bench.runner import Report, run_benchmark, table_of
from lumen.contracts import FRAME_SIZES, WARP_RENDERER
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.portrait import Portrait, make_portrait
from lumen.families.warp.clip import BATCH_FRAMES
from lumen.families.warp.columns import MOTION_WIDTH
from lumen.settings import load_settings

SEED: Final = 3
WARM_UP: Final = 2
"""Batches of each renderer that do not count."""

Tensors = dict[str, npt.NDArray[Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark(__doc__, add_arguments, measure, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beside", type=Path, help="another model.onnx, which takes turns with ours")
    parser.add_argument("--batches", type=int, default=22, help="of each size and renderer")
    parser.add_argument("--portrait", default="ada", help="name of a bundled portrait")


def measure(options: argparse.Namespace) -> Report:
    settings = load_settings(None)
    paths = {"ours": settings.model_repository / WARP_RENDERER / "1" / "model.onnx"}
    if options.beside is not None:
        paths["beside"] = options.beside
    sessions = {name: _opened(path) for name, path in paths.items()}
    image = portrait_pixels(settings, options.portrait)
    faces = FaceMesher().find(image)
    found = {
        size: milliseconds(sessions, make_portrait(image, faces, size), options.batches)
        for size in FRAME_SIZES
    }
    rows = [(f"{size} px", *(f"{value:.2f}" for value in by.values())) for size, by in found.items()]
    table = table_of("Processor time of a frame, ms, median", ["picture"], list(sessions), rows)
    return Report({"milliseconds": {str(size): by for size, by in found.items()}}, [table])


def milliseconds(sessions: dict[str, Any], portrait: Portrait, batches: int) -> dict[str, float]:
    """Median processor time of a frame by renderer."""
    random, times = np.random.default_rng(SEED), {name: list[float]() for name in sessions}
    for _ in range(WARM_UP + batches):
        motion = 0.3 * random.random((BATCH_FRAMES, MOTION_WIDTH), np.float32)
        for name, session in sessions.items():
            inputs = _inputs(session, portrait, motion)
            started = time.process_time()
            session.run(None, inputs)
            times[name].append(1000 * (time.process_time() - started) / BATCH_FRAMES)
    return {name: round(median(values[WARM_UP:]), 3) for name, values in times.items()}


def _inputs(session: Any, portrait: Portrait, motion: npt.NDArray[np.float32]) -> Tensors:
    """Inputs of a renderer, which may be older: without depth, with fewer columns of motion."""
    given: Tensors = {"crop": portrait.crop[None], "mesh": portrait.mesh[None], "motion": motion}
    repeated = {name: np.repeat(each, BATCH_FRAMES // len(each), axis=0) for name, each in given.items()}
    widths = {each.name: each.shape[-1] for each in session.get_inputs()}
    return {name: np.ascontiguousarray(each[..., : widths[name]]) for name, each in repeated.items()}


def _opened(path: Path) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    sys.exit(main())
