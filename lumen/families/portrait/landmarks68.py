"""The 68 landmarks of iBUG 300-W, taken from the 468-point mesh.

Each landmark is the mean of one or two mesh points. The choice of points follows the table that
Peizhi Yan published as Mediapipe_2_Dlib_Landmarks (MIT licence). Right and left are the person's.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

LANDMARKS: Final = 68

JAW: Final = (
    *((127,), (234,), (93,), (132, 58), (58, 172), (136,), (150,), (176,), (152,)),
    *((400,), (379,), (365,), (397, 288), (361,), (323,), (454,), (356,)),
)
RIGHT_BROW: Final = ((70,), (63,), (105,), (66,), (107,))
LEFT_BROW: Final = ((336,), (296,), (334,), (293,), (300,))
NOSE_BRIDGE: Final = ((168, 6), (197, 195), (5,), (4,))
NOSE_BASE: Final = ((98,), (97,), (2,), (326,), (327,))
RIGHT_EYE: Final = ((33,), (160,), (158,), (133,), (153,), (144,))
LEFT_EYE: Final = ((362,), (385,), (387,), (263,), (373,), (380,))
OUTER_LIPS: Final = (
    *((61,), (39,), (37,), (0,), (267,), (269,), (291,)),
    *((321,), (314,), (17,), (84,), (91,)),
)
INNER_LIPS: Final = ((78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,))

TABLE: Final[tuple[tuple[int, ...], ...]] = (
    *(*JAW, *RIGHT_BROW, *LEFT_BROW, *NOSE_BRIDGE, *NOSE_BASE),
    *(*RIGHT_EYE, *LEFT_EYE, *OUTER_LIPS, *INNER_LIPS),
)
"""Mesh points of each landmark, in iBUG's order."""

_FIRST: Final = np.array([points[0] for points in TABLE])
_LAST: Final = np.array([points[-1] for points in TABLE])


def landmarks_of(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """mesh [..., 468, 2] -> landmarks [..., 68, 2] in the same units."""
    return (mesh[..., _FIRST, :] + mesh[..., _LAST, :]) / 2
