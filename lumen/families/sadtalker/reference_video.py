"""Motion borrowed from another video's face: its blinks and brows, or the motion of its head."""

import numpy as np
from numpy.typing import NDArray


def looped(rows: NDArray[np.float32], n_frames: int, first_frame: int = 0) -> NDArray[np.float32]:
    """Rows [n, C] of a video for frames [first_frame, first_frame + n_frames), again and again."""
    return np.take(rows, np.arange(first_frame, first_frame + n_frames) % len(rows), 0)


def follow(
    pose: NDArray[np.float32], driver: NDArray[np.float32], first_frame: int = 0
) -> NDArray[np.float32]:
    """``pose`` [T, 6] with the motion of another head on top: float32 [T, 6].

    driver: [n, 6], the other head's pose; its motion is relative to its first frame.
    """
    return np.asarray(pose + (looped(driver, len(pose), first_frame) - driver[0]), np.float32)
