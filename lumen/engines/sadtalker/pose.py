"""Head motion: which frames are made together, out of which random numbers, and how it is smoothed."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.engines.sadtalker.dims import POSE, POSE_CHUNK, POSE_LATENT

SMOOTHING_FRAMES: Final = 13
SMOOTHING_ORDER: Final = 2
"""Savitzky-Golay: each frame becomes the value of a parabola fitted to these many frames around it."""


def chunks(n_frames: int) -> NDArray[np.int64]:
    """Which frames each run of the network hears: int64 [n_chunks, 32], frame numbers of the clip.

    Frame 0 is at rest and not heard. A last chunk that is not full hears the last 32 frames, and frame 1
    again and again where there are fewer; only its end is new (see :func:`assemble`).
    """
    starts = np.arange(1, n_frames - POSE_CHUNK + 1, POSE_CHUNK)
    if n_frames and (n_frames - 1) % POSE_CHUNK:
        starts = np.append(starts, n_frames - POSE_CHUNK)
    return np.maximum(starts[:, None] + np.arange(POSE_CHUNK), 1)


def latents(n_chunks: int, seed: int, scale: float = 1.0) -> NDArray[np.float32]:
    """The random vector of each chunk: float32 [n_chunks, 64], normally distributed times ``scale``.

    A chunk's vector depends on the seed and its number alone: longer clips begin like shorter ones.
    """
    drawn = [np.random.default_rng([seed, i]).standard_normal(POSE_LATENT) for i in range(n_chunks)]
    return (np.reshape(drawn, (n_chunks, POSE_LATENT)) * scale).astype(np.float32)


def assemble(
    made: NDArray[np.float32], reference: NDArray[np.float32], n_frames: int, scale: float = 1.0
) -> NDArray[np.float32]:
    """Pose of every frame before smoothing: float32 [n_frames, 6].

    made: [n_chunks, 32, 6], motion of the chunks of :func:`chunks`. reference: [6], the portrait's pose,
    which is that of frame 0. scale: of the head's motion; 0 keeps the head still.
    """
    full, rest = divmod(max(n_frames - 1, 0), POSE_CHUNK)
    ends = made[full:, POSE_CHUNK - rest :] if rest else made[:0]
    rest_frame = np.zeros((min(n_frames, 1), POSE), np.float32)
    motion = np.concatenate([rest_frame, made[:full].reshape(-1, POSE), ends.reshape(-1, POSE)])
    return np.asarray(reference + np.float32(scale) * motion, np.float32)


def smooth(pose: NDArray[np.float32]) -> NDArray[np.float32]:
    """Savitzky and Golay, 1964 (doi:10.1021/ac60214a047), along time: float32 [T, 6] -> the same shape.

    The ends lie on the outermost parabolas. Clips shorter than 13 frames use as many as there are; with fewer
    than three nothing is smoothed.
    """
    n_frames = len(pose)
    window = min(SMOOTHING_FRAMES, n_frames - 1 + n_frames % 2)
    if window <= SMOOTHING_ORDER:
        return pose
    fit, half = _fit(window), window // 2
    around = np.lib.stride_tricks.sliding_window_view(pose.astype(np.float64), window, 0)
    middle = around @ fit[half]
    start, end = fit[:half] @ around[0].T, fit[half + 1 :] @ around[-1].T
    return np.asarray(np.concatenate([start, middle, end]), np.float32)


@cache
def _fit(window: int) -> NDArray[np.float64]:
    """[window, window]: times values, gives those of the parabola fitted to them."""
    powers = np.vander(np.arange(window) - window // 2, SMOOTHING_ORDER + 1).astype(np.float64)
    return np.asarray(powers @ np.linalg.pinv(powers))
