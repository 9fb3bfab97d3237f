"""Mouth curves heard in sound: blocks of features out, curves of the network of ``mouth`` back."""

from collections.abc import Awaitable, Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.visemes.curves import CURVES, Curves
from lumen.visemes.features import block_start, blocks_of

BATCH_BLOCKS: Final = 16
"""Most blocks in one run of the network: ``max_batch_size`` of the model ``mouth``."""

Listen = Callable[[NDArray[np.float32]], Awaitable[NDArray[np.float32]]]
"""Run of the network: features float32 [B, MELS, BLOCK_COLUMNS] -> curves [B, BLOCK_FRAMES, 6]."""


async def mouth_curves(
    pcm: NDArray[np.float32], pcm_start: int, first_frame: int, n_frames: int, listen: Listen
) -> Curves:
    """Curves of frames [first_frame, first_frame + n_frames): float32 [n_frames, 6].

    pcm: float32 [n_samples], 16 kHz, in [-1, 1]; ``pcm_start`` is its first sample's index in the
    clip. What is not in it counts as silence. A frame depends on the sound from WARP_CONTEXT_FRAMES
    before it to WARP_LOOKAHEAD_FRAMES after it.
    """
    if n_frames == 0:
        return np.zeros((0, len(CURVES)), np.float32)
    blocks = blocks_of(pcm, pcm_start, first_frame, n_frames)
    parts = [
        await listen(blocks[start : start + BATCH_BLOCKS]) for start in range(0, len(blocks), BATCH_BLOCKS)
    ]
    curves = np.concatenate(parts).reshape(-1, len(CURVES))
    skipped = first_frame - block_start(first_frame)
    return curves[skipped : skipped + n_frames]
