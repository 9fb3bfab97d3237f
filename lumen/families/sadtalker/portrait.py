"""Portrait of SadTalker: the crop of a picture that is animated, and the coefficients of the face in it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import FRAME_SIZES
from lumen.errors import InvalidInputException
from lumen.families.portrait.face_mesh import Face
from lumen.families.portrait.landmarks68 import landmarks_of
from lumen.families.portrait.portrait import choose_face
from lumen.families.sadtalker.alignment import align, portrait_coefficients, yaw_of
from lumen.families.sadtalker.crop import Box, Preprocess, crop, face_square

MAX_YAW: Final = 45.0
"""Degrees that a head may be turned: beyond, one eye is hidden and the renderer invents half a face."""

SHOWN: Final = 0.68
"""Share of a turn that the mesh shows: its network leans towards frontal faces. Measured on portraits that
were turned as reliefs: 20 of 30 degrees, 31 of 45; beyond that it shows hardly more."""

GOOD_YAW: Final = 20.0
"""Degrees from which the caller is warned."""

GOOD_SIDE: Final = 128
"""Pixels of the face below which the caller is warned that it is enlarged."""

GOOD_SCORE: Final = 0.8
"""Probability of a face below which the caller is warned."""

CUT_SHARE: Final = 0.02
"""Share of the square around the face that may lie outside of the picture without a warning."""

WIDE: Final = 1.5
"""Ratio of the sides of a whole picture from which squeezing it into a square is warned of."""

Face3d = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Aligned face float32 [3, 224, 224] in [0, 1] -> coefficients [257]."""


@dataclass(frozen=True)
class PortraitFeatures:
    """Crop and coefficients of a portrait, with what is known of its face.

    Attributes:
        crop: uint8 [S, S, 3] RGB. coefficients: float32 [73], 3DMM coefficients of the face in it.
        box: where the crop lies in the picture. face: where the face does.
        confidence: probability of a face in [0, 1].
        warnings: what may spoil the result, a sentence each.
    """

    crop: NDArray[np.uint8]
    coefficients: NDArray[np.float32]
    box: Box
    face: Box
    confidence: float
    warnings: tuple[str, ...]


def make_features(
    image: NDArray[np.uint8], faces: Sequence[Face], size: int, preprocess: Preprocess, face3d: Face3d
) -> PortraitFeatures:
    """Cut out of ``image``, uint8 [H, W, 3] RGB, what is animated.

    Raises:
        InvalidInputException: the size is not one of ``FRAME_SIZES``, or there is not exactly one face to
            animate, or it is too small, cut off or turned away.
    """
    if size not in FRAME_SIZES:
        raise InvalidInputException(f"size is {size}; it must be one of {', '.join(map(str, FRAME_SIZES))}")
    height, width = image.shape[:2]
    face = choose_face(faces, width, height)
    landmarks = landmarks_of(face.mesh)
    yaw = check_facing(landmarks)
    cut = crop(image, landmarks, size, preprocess)
    aligned = align(cut.image, in_crop(landmarks, cut.box, size))
    coefficients = portrait_coefficients(face3d(aligned.image), aligned.place)
    x0, y0 = np.floor(face.box[:2]).astype(int)
    x1, y1 = np.ceil(face.box[2:]).astype(int)
    found = Box(max(int(x0), 0), max(int(y0), 0), min(int(x1), width), min(int(y1), height))
    warnings = (*_face_warnings(face, yaw), *_crop_warnings(landmarks, width, height, preprocess))
    return PortraitFeatures(cut.image, coefficients, cut.box, found, face.score, warnings)


def in_crop(landmarks: NDArray[np.float32], box: Box, size: int) -> NDArray[np.float32]:
    """Landmarks [..., 2] of the picture in pixels of the crop, whose aspect is not kept."""
    scale = size / np.array([box.width, box.height])
    return ((landmarks - (box.left, box.top)) * scale).astype(np.float32)


def check_facing(landmarks: NDArray[np.float32]) -> float:
    """Check that the head is not turned away; returns its yaw in degrees.

    Raises:
        InvalidInputException: it is turned away.
    """
    yaw = yaw_of(landmarks) / SHOWN
    if abs(yaw) > MAX_YAW:
        raise InvalidInputException(
            f"the face is turned away by about {abs(yaw):.0f} degrees; up to {MAX_YAW:g} can be animated: "
            "use a picture that shows it from the front"
        )
    return yaw


def _face_warnings(face: Face, yaw: float) -> Iterator[str]:
    if abs(yaw) > GOOD_YAW:
        yield f"The face is turned by about {abs(yaw):.0f} degrees; from the front it looks best."
    if face.side < GOOD_SIDE:
        yield f"The face is {face.side:.0f} pixels high and will be enlarged; {GOOD_SIDE} or more look sharp."
    if face.score < GOOD_SCORE:
        yield f"That this is a face is {face.score:.0%} certain; check the crop."


def _crop_warnings(
    landmarks: NDArray[np.float32], width: int, height: int, preprocess: Preprocess
) -> Iterator[str]:
    if preprocess is Preprocess.RESIZE:
        if max(width, height) > WIDE * min(width, height):
            yield (
                f"The picture of {width} x {height} is squeezed into a square, and the face with it; "
                "crop or full keep its shape."
            )
        return
    outside = _outside(face_square(landmarks), width, height)
    if outside > CUT_SHARE:
        yield (
            f"The square around the face lies to {outside:.0%} outside of the picture, so the face is "
            "stretched; leave more room around the head."
        )


def _outside(quad: NDArray[np.float64], width: int, height: int) -> float:
    """Share of the box around a square that the picture does not have."""
    low, high = quad.min(0), quad.max(0)
    inside = np.clip(high, 0, (width, height)) - np.clip(low, 0, (width, height))
    return float(1 - np.prod(inside) / np.prod(high - low))
