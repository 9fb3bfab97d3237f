"""The committed network, run in process."""

import asyncio
from functools import cache
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from lumen.contracts import MOUTH
from lumen.families.warp.motion import animate, rest_in_pauses
from lumen.visemes.curves import Curves
from lumen.visemes.hearing import BATCH_BLOCKS, mouth_curves
from tests.support.paths import ROOT

NETWORK = ROOT / "model_repository" / MOUTH / "1" / "model.onnx"


class Served:
    """Counts the network's runs, one for each call."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        assert 1 <= len(features) <= BATCH_BLOCKS
        self.runs += 1
        curves: NDArray[np.float32] = _session().run(None, {"features": features})[0]
        return curves


def heard(pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int) -> Curves:
    """Mouth curves as the model ``warp`` hears them."""
    return asyncio.run(mouth_curves(pcm, pcm_start, first_frame, n_frames, Served()))


def animated(
    pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int, seed: int
) -> NDArray[np.float32]:
    """Motion rows as the model ``warp`` makes them of sound alone: float32 [n_frames, P]."""
    window = pcm, pcm_start, first_frame, n_frames
    mouth = rest_in_pauses(heard(*window), *window) if n_frames else heard(*window)
    return animate(pcm, pcm_start, first_frame, n_frames, seed, mouth)


@cache
def _session() -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(NETWORK, options, providers=["CPUExecutionProvider"])
