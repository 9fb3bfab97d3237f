"""Which of the 468 mesh points (MediaPipe's topology) are what.

Rows of points run from the image's left to its right.
"""

from dataclasses import dataclass
from typing import Final

INNER_UPPER_LIP: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER_LIP: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
MOUTH_CORNERS: Final = (61, 291)
LIP_CENTRE: Final = (13, 14)


@dataclass(frozen=True)
class Eye:
    """Points of the lids from corner to corner, and of the brow above."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    brow: tuple[int, ...]


RIGHT_EYE: Final = Eye(
    upper=(33, 246, 161, 160, 159, 158, 157, 173, 133),
    lower=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    brow=(70, 63, 105, 66, 107),
)
LEFT_EYE: Final = Eye(
    upper=(362, 398, 384, 385, 386, 387, 388, 466, 263),
    lower=(362, 382, 381, 380, 374, 373, 390, 249, 263),
    brow=(336, 296, 334, 293, 300),
)
"""The person's own right and left eye."""

OUTER_EYE_CORNERS: Final = (33, 263)
FOREHEAD: Final = 10
CHIN: Final = 152
NOSE_TIP: Final = 1
CHEEKS: Final = (50, 280, 205, 425, 117, 346, 36, 266, 101, 330)
"""Points of plain skin on both cheeks, whose colour tells the light."""
