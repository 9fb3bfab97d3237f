"""Named points among the 468 of the face mesh (MediaPipe's topology).

Rows of points run from the image's left to its right.
"""

from dataclasses import dataclass
from typing import Final

INNER_UPPER_LIP: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER_LIP: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
MOUTH_CORNERS: Final = (61, 291)
LIP_CENTRE: Final = (13, 14)
OUTER_EDGE: Final = (37, 0, 267, 84, 17, 314)
INNER_EDGE: Final = (82, 13, 312, 87, 14, 317)
"""Points on both edges of both lips near their middle: half-way between them is plain lip."""


@dataclass(frozen=True)
class Eye:
    """Points of the lids from corner to corner, and of the brow's upper edge above.

    Around the open eye, without its corners: lid, along the middle of the upper lid's skin; fold, along
    where that ends; below and bag, along the lower lid's skin and where that ends.
    """

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    lid: tuple[int, ...]
    fold: tuple[int, ...]
    below: tuple[int, ...]
    bag: tuple[int, ...]
    brow: tuple[int, ...]


RIGHT_EYE: Final = Eye(
    upper=(33, 246, 161, 160, 159, 158, 157, 173, 133),
    lower=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    lid=(247, 30, 29, 27, 28, 56, 190),
    fold=(113, 225, 224, 223, 222, 221, 189),
    below=(25, 110, 24, 23, 22, 26, 112),
    bag=(31, 228, 229, 230, 231, 232, 233),
    brow=(70, 63, 105, 66, 107),
)
LEFT_EYE: Final = Eye(
    upper=(362, 398, 384, 385, 386, 387, 388, 466, 263),
    lower=(362, 382, 381, 380, 374, 373, 390, 249, 263),
    lid=(414, 286, 258, 257, 259, 260, 467),
    fold=(413, 441, 442, 443, 444, 445, 342),
    below=(341, 256, 252, 253, 254, 339, 255),
    bag=(453, 452, 451, 450, 449, 448, 261),
    brow=(336, 296, 334, 293, 300),
)
"""The person's own right and left eye."""

OUTER_EYE_CORNERS: Final = (33, 263)
INNER_EYE_CORNERS: Final = (133, 362)
FOREHEAD: Final = 10
CHIN: Final = 152
NOSE_TIP: Final = 1
CHEEKS: Final = (50, 280, 205, 425, 117, 346, 36, 266, 101, 330)
"""Points of plain skin on both cheeks, whose colour tells the light."""

OUTLINE: Final = (127, 234, 93, 132, 356, 454, 323, 361)
"""Sides of the face, from the temples to the jaw: their mean depth is that of the head's axis."""

RELIEF: Final = (
    *(10, 151, 9, 168, 6, 197, 195, 5, 4, 1, 2, 164, 0, 17, 18, 200, 152),
    *(
        103,
        67,
        105,
        107,
        33,
        133,
        159,
        145,
        50,
        101,
        205,
        36,
        98,
        61,
        57,
        210,
        170,
        149,
        136,
        58,
        93,
        234,
        127,
    ),
    *(
        332,
        297,
        334,
        336,
        263,
        362,
        386,
        374,
        280,
        330,
        425,
        266,
        327,
        291,
        287,
        430,
        395,
        378,
        365,
        288,
        323,
    ),
    *(454, 356),
)
"""Points whose depth stands for that of the whole face: its middle line, then its right and left half."""
