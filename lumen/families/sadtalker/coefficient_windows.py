"""Input of the mapping: coefficients of expression and pose, in windows around each frame."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.errors import InvalidInputException
from lumen.families.sadtalker.dims import COEFFICIENTS, EXPRESSION, MOTION, WINDOW, WINDOW_RADIUS

EXPRESSION_SCALES: Final = (0.0, 3.0)
"""Least and greatest scale of the expression."""


def coefficients(
    expression: NDArray[np.float32],
    pose: NDArray[np.float32],
    portrait: NDArray[np.float32],
    columns: int,
    still: bool = False,
    expression_scale: float = 1.0,
) -> NDArray[np.float32]:
    """Coefficients of every frame of a clip: float32 [T, columns].

    Args:
        expression: [T, 64], absolute; so is what the scale multiplies.
        pose: [T, 6], smoothed.
        portrait: [73], the portrait's own coefficients.
        columns: 70 for cropped portraits; 73 for whole pictures, which also say where the face lies.
        still: the head keeps the portrait's pose; the eyes blink all the same.
        expression_scale: within ``EXPRESSION_SCALES``.

    Raises:
        InvalidInputException: the scale is out of range.
    """
    least, greatest = EXPRESSION_SCALES
    if not least <= expression_scale <= greatest:
        raise InvalidInputException(
            f"expression_scale is {expression_scale}; it must be from {least} to {greatest}."
        )
    rows = np.tile(portrait[:COEFFICIENTS], (len(expression), 1))
    rows[:, :EXPRESSION] = expression * np.float32(expression_scale)
    if not still:
        rows[:, EXPRESSION:MOTION] = pose
    return rows[:, :columns]


def windows(rows: NDArray[np.float32], first: int = 0, n_frames: int | None = None) -> NDArray[np.float32]:
    """Windows of coefficients around frames [first, first + n_frames): float32 [n_frames, C, 27].

    rows: [T, C]; beyond the ends the first and last row are repeated. n_frames: all that follow by default.
    """
    count = len(rows) - first if n_frames is None else n_frames
    frames = first + np.arange(count)[:, None] + np.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1)
    return np.ascontiguousarray(rows[np.clip(frames, 0, len(rows) - 1)].transpose(0, 2, 1))


def portrait_window(portrait: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """The portrait as if it were a clip that does not move: [73] -> float32 [columns, 27]."""
    return np.tile(portrait[:columns, None], WINDOW)
