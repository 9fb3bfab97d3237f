"""The columns of a motion row: what one frame's face does.

Between ``motion.animate``, which writes them, and the graph of ``export/warp``, which draws them.
A row of zeros is the portrait as it was given. The first six are the mouth curves. "Right" and
"left" are the person's own; directions along x and y are the image's.
"""

from enum import IntEnum
from typing import Final


class Column(IntEnum):
    """Index, then meaning and range."""

    OPEN = 0
    """Mouth opening: 0 as in the portrait, 1 the widest a speaker opens."""
    WIDTH = 1
    """-1 lips rounded (oo) to 1 lips spread (ee)."""
    PRESS = 2
    """Lips pressed together: 0 to 1. Pressed lips do not open."""
    TEETH = 3
    """Lower lip laid to the upper teeth (f, v): 0 to 1."""
    UPPER = 4
    """Upper lip raised, showing teeth: 0 to 1."""
    TONGUE = 5
    """Tip of the tongue behind or between the teeth (l, t, d, n, th): 0 to 1."""
    SMILE = 6
    """Corners of the mouth: -1 down to 1 up."""
    BLINK_RIGHT = 7
    """Right eye (left in the image): 0 as in the portrait to 1 shut."""
    BLINK_LEFT = 8
    """Left eye: 0 to 1."""
    BROW = 9
    """Brows: -1 lowered to 1 raised."""
    YAW = 10
    """Turn of the head in radians, positive towards the image's right; |yaw| <= 0.3."""
    PITCH = 11
    """Nod in radians, positive down; |pitch| <= 0.3."""
    ROLL = 12
    """Tilt in radians, positive clockwise in the image; |roll| <= 0.3."""
    SHIFT_X = 13
    """Shift of the head to the image's right, in heights of the face; |shift| <= 0.1."""
    SHIFT_Y = 14
    """Shift of the head downwards, in heights of the face; |shift| <= 0.1."""
    GAZE_X = 15
    """Eyes: -1 to 1 towards the image's right."""
    GAZE_Y = 16
    """Eyes: -1 up to 1 down."""


MOTION_WIDTH: Final = len(Column)
"""Columns of a motion row (P)."""

MOUTH_CURVES: Final = 6
"""Columns at the start of a row that are the mouth's: open, width, press, teeth, upper, tongue."""
