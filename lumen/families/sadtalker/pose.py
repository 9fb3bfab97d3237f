"""Head motion: which frames are made together, out of which random numbers, and how it is smoothed."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.families.sadtalker.dims import POSE, POSE_CHUNK, POSE_LATENT

SMOOTHING_FRAMES: Final = 13
SMOOTHING_ORDER: Final = 2
"""Window and order of the Savitzky-Golay filter: a parabola is fitted to the frames around each frame."""


def chunk_numbers(first_frame: int, n_frames: int) -> NDArray[np.int64]:
    """Numbers of the network's runs that make frames [first_frame, first_frame + n_frames), in order.

    Frame 0 is at rest; run k makes frames 1 + 32 k to 32 + 32 k.
    """
    first, end = max(first_frame, 1), first_frame + n_frames
    return np.arange((first - 1) // POSE_CHUNK, (max(end, 1) + POSE_CHUNK - 2) // POSE_CHUNK)


def chunks(numbers: NDArray[np.int64], clip_frames: int) -> NDArray[np.int64]:
    """Frames of a clip that these runs of the network hear: int64 [n, 32].

    A last chunk that is not full hears the last 32 frames, and frame 1 again and again where there are
    fewer; only its end is new (see :func:`assemble`).
    """
    return np.maximum(_starts(numbers, clip_frames)[:, None] + np.arange(POSE_CHUNK), 1)


def _starts(numbers: NDArray[np.int64], clip_frames: int) -> NDArray[np.int64]:
    return np.minimum(1 + POSE_CHUNK * numbers, clip_frames - POSE_CHUNK)


def latents(numbers: NDArray[np.int64], seed: int, scale: float = 1.0) -> NDArray[np.float32]:
    """The random vector of each chunk: float32 [n, 64], normally distributed times ``scale``.

    A chunk's vector depends on the seed and its number alone: longer clips begin like shorter ones.
    """
    drawn = [np.random.default_rng([seed, i]).standard_normal(POSE_LATENT) for i in numbers]
    return (np.reshape(drawn, (len(numbers), POSE_LATENT)) * scale).astype(np.float32)


def assemble(
    made: NDArray[np.float32],
    frames: NDArray[np.int64],
    clip_frames: int,
    reference: NDArray[np.float32],
    scale: float = 1.0,
) -> NDArray[np.float32]:
    """Pose of some frames before smoothing: float32 [n, 6].

    Args:
        made: [n_chunks, 32, 6], motion of the chunks that :func:`chunk_numbers` names for the frames.
        frames: [n], neighbours.
        clip_frames: of the whole clip.
        reference: [6], the portrait's pose, which is that of frame 0.
        scale: of the head's motion; 0 keeps the head still.
    """
    moving = frames[frames > 0]
    numbers = (moving - 1) // POSE_CHUNK
    motion = np.zeros((len(frames), POSE), np.float32)
    if len(moving):
        places = moving - _starts(numbers, clip_frames)
        motion[frames > 0] = made[numbers - numbers[0], places]
    return np.asarray(reference + np.float32(scale) * motion, np.float32)


def smoothing_span(first_frame: int, end_frame: int, clip_frames: int) -> tuple[int, int]:
    """The frames [first, end) whose smoothing gives the right values for [first_frame, end_frame)."""
    half = SMOOTHING_FRAMES // 2
    first, end = max(first_frame - half, 0), min(end_frame + half, clip_frames)
    if end == clip_frames:
        first = max(min(first, clip_frames - SMOOTHING_FRAMES), 0)
    if first == 0:
        end = min(max(end, SMOOTHING_FRAMES), clip_frames)
    return first, end


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
