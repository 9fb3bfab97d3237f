"""When the eyes shut."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.errors import InvalidInputException

SHUTTING: Final = (0.5, 0.9, 1.0, 0.9, 0.5)
"""How far the eyes are shut in the frames of a blink."""

FEWEST_FRAMES: Final = 21
"""A shorter clip has no blink."""

SHORTEST_GAP: Final = 10
"""Frames with open eyes between two blinks, at least."""

LONGEST_GAP: Final = 70
"""Frames between two blinks are fewer than these, and than half of the clip."""

MAX_RATE: Final = 4.0


def blinks(n_frames: int, seed: int, rate: float = 1.0) -> NDArray[np.float32]:
    """How far the eyes are shut in each frame: float32 [n_frames], 0 open to 1 shut.

    rate: how often, relative to the reference's about 34 blinks a minute; 0 to ``MAX_RATE``, 0 is never.

    Raises:
        InvalidInputException: the rate is out of range.
    """
    if not 0 <= rate <= MAX_RATE:
        raise InvalidInputException(f"blink rate is {rate}; it must be from 0 to {MAX_RATE}.")
    shut = np.zeros(n_frames, np.float32)
    if rate == 0 or n_frames < FEWEST_FRAMES:
        return shut
    rng = np.random.default_rng(seed)
    end = 0
    while (start := end + _gap(rng, n_frames, rate)) + len(SHUTTING) < n_frames:
        end = start + len(SHUTTING)
        shut[start:end] = SHUTTING
    return shut


def _gap(rng: np.random.Generator, n_frames: int, rate: float) -> int:
    """Frames until the next blink, at least one: two blinks never touch."""
    longest = min(n_frames // 2, LONGEST_GAP)
    frames = rng.integers(SHORTEST_GAP, max(longest, SHORTEST_GAP + 1))
    return max(1, round(int(frames) / rate))
