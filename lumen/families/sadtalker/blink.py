"""Blinks: frames in which the eyes shut."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import SADTALKER_LOOKAHEAD_FRAMES
from lumen.errors import InvalidInputException

SHUTTING: Final = (0.5, 0.9, 1.0, 0.9, 0.5)
"""Closure of the eyes in the frames of a blink, 0 open to 1 shut."""

FEWEST_FRAMES: Final = 21
"""Frames of the shortest clip that has a blink."""

SHORTEST_GAP: Final = 10
"""Frames with open eyes between two blinks, at least."""

LONGEST_GAP: Final = 70
"""Frames between two blinks are fewer than these.

The reference takes half of the clip where that is less. So does a clip whose length is known before its first
frame, that is, one no longer than the look-ahead. The frames of a longer one may be made before its length is
known, and have to be the same as if it were.
"""

MAX_RATE: Final = 4.0


def blinks(
    clip_frames: int, seed: int, rate: float = 1.0, first_frame: int = 0, n_frames: int | None = None
) -> NDArray[np.float32]:
    """Closure of the eyes in frames from ``first_frame`` on: float32 [n_frames], 0 open to 1 shut.

    clip_frames: of the whole clip. rate: how often, relative to the reference's about 34 blinks a minute;
    0 to ``MAX_RATE``, 0 is never. n_frames: all that follow by default.

    Raises:
        InvalidInputException: the rate is out of range.
    """
    if not 0 <= rate <= MAX_RATE:
        raise InvalidInputException(f"blink rate is {rate}; it must be from 0 to {MAX_RATE}.")
    count = clip_frames - first_frame if n_frames is None else n_frames
    shut = np.zeros(count + 2 * len(SHUTTING), np.float32)
    if rate == 0 or clip_frames < FEWEST_FRAMES:
        return shut[:count]
    rng = np.random.default_rng(seed)
    offset = first_frame - len(SHUTTING)
    end = 0
    while (start := end + _gap(rng, clip_frames, rate)) + len(SHUTTING) < clip_frames:
        if start >= first_frame + count:
            break
        end = start + len(SHUTTING)
        if start >= offset:
            shut[start - offset : end - offset] = SHUTTING
    return shut[len(SHUTTING) : len(SHUTTING) + count]


def _gap(rng: np.random.Generator, clip_frames: int, rate: float) -> int:
    """Frames until the next blink, at least one: two blinks never touch."""
    short = clip_frames <= SADTALKER_LOOKAHEAD_FRAMES
    longest = min(clip_frames // 2, LONGEST_GAP) if short else LONGEST_GAP
    frames = rng.integers(SHORTEST_GAP, max(longest, SHORTEST_GAP + 1))
    return max(1, round(int(frames) / rate))
