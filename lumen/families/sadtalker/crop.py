"""Crop of a picture: the part that is animated, and its place in the picture.

The square around a face follows FFHQ (Karras et al., 2018, arXiv:1812.04948), without its rotation.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.errors import InvalidInputException
from lumen.families.sadtalker.landmarks import checked, one_point
from lumen.families.sadtalker.resize import resize

FloatArray = NDArray[np.float64]

RIGHT_EYE: Final = slice(36, 42)
LEFT_EYE: Final = slice(42, 48)
MOUTH_CORNERS: Final = (48, 54)

EYE_SHARE: Final = 2.0
"""Half of the square's side, in distances of the eyes, or by ``MOUTH_SHARE`` where that is more."""

MOUTH_SHARE: Final = 1.8
"""Half of the square's side, in distances from the eyes to the mouth."""

DOWNWARD: Final = 0.1
"""Depth of the square's centre below the eyes, in distances from the eyes to the mouth."""

BORDER: Final = 0.1
"""Width of the border around the square, relative to its side."""

LEAST_BORDER: Final = 3
"""Width of the border in pixels, at least."""

SHRINK_SIDE: Final = 1024
"""Sides of at least twice as many pixels are first made smaller, by a whole factor."""

LEAST_SIDE: Final = 8
"""Pixels of a crop's side, at least."""


class Preprocess(StrEnum):
    """Part of the picture that is animated.

    crop: the square around the face. extcrop: with a border. full and extfull: the same, to be pasted back
    into the picture. resize: the whole picture.
    """

    CROP = "crop"
    EXTCROP = "extcrop"
    RESIZE = "resize"
    FULL = "full"
    EXTFULL = "extfull"

    @property
    def extended(self) -> bool:
        return self in (Preprocess.EXTCROP, Preprocess.EXTFULL)

    @property
    def pasted_back(self) -> bool:
        return self in (Preprocess.FULL, Preprocess.EXTFULL)


@dataclass(frozen=True)
class Box:
    """A part of a picture in whole pixels: [left, right) x [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True)
class Crop:
    """image: uint8 [S, S, 3] RGB, the aspect not kept. box: where it lies in the picture."""

    image: NDArray[np.uint8]
    box: Box


def crop(image: NDArray[np.uint8], landmarks: NDArray[np.float32], size: int, preprocess: Preprocess) -> Crop:
    """The part of ``image``, uint8 [H, W, 3] RGB, that is animated, brought to ``size`` x ``size``.

    landmarks: float32 [68, 2] in pixels of the image.

    Raises:
        InvalidInputException: the landmarks are not those of a face inside the picture.
    """
    height, width = image.shape[:2]
    if preprocess is Preprocess.RESIZE:
        return Crop(resize(image, size, size), Box(0, 0, width, height))
    quad = face_square(landmarks)
    factor = _shrink(quad)
    if factor > 1:
        image = resize(image, round(width / factor), round(height / factor))
    outer, inner = _boxes(quad / factor, image.shape[1], image.shape[0])
    box = outer if preprocess.extended else inner
    if min(box.width, box.height) < LEAST_SIDE:
        raise InvalidInputException(
            f"The face's square is {box.width} x {box.height} pixels of the picture; expected at least "
            f"{LEAST_SIDE} x {LEAST_SIDE}. Send a portrait with the face inside the picture."
        )
    cut = image[box.top : box.bottom, box.left : box.right]
    return Crop(resize(cut, size, size), _scaled(box, image.shape[1], image.shape[0], width, height))


def face_square(landmarks: NDArray[np.float32]) -> FloatArray:
    """Corners [4, 2] of the square around a face, along with its tilt: upper left, then counter-clockwise.

    Raises:
        InvalidInputException: they are not 68 finite points, or all in one place.
    """
    points = checked(landmarks)
    right, left = points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)
    eyes, across = (right + left) / 2, left - right
    down = points[list(MOUTH_CORNERS)].mean(0) - eyes
    half = max(EYE_SHARE * np.linalg.norm(across), MOUTH_SHARE * np.linalg.norm(down))
    along = across + np.array([down[1], -down[0]])
    length = np.linalg.norm(along)
    if length == 0 or half == 0:
        raise one_point()
    x = along / length * half
    y = np.array([-x[1], x[0]])
    centre = eyes + DOWNWARD * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def _side(quad: FloatArray) -> float:
    return float(np.linalg.norm(quad[3] - quad[0]))


def _shrink(quad: FloatArray) -> int:
    """The whole factor by which a picture with such a square is made smaller."""
    return max(int(_side(quad) // SHRINK_SIDE), 1)


def _boxes(quad: FloatArray, width: int, height: int) -> tuple[Box, Box]:
    """The box around the square with a border, and without, both inside of the picture."""
    border = max(round(BORDER * _side(quad)), LEAST_BORDER)
    left, top = (max(int(v), 0) for v in np.floor(quad.min(0)) - border)
    right, bottom = np.ceil(quad.max(0)) + border
    outer = Box(left, top, min(int(right), width), min(int(bottom), height))
    moved = quad - (left, top) + 0.5
    inner = Box(
        left + int(max(moved[:2, 0].min(), 0)),
        top + int(max(min(moved[0, 1], moved[3, 1]), 0)),
        left + int(min(moved[2:, 0].max(), outer.width)),
        top + int(min(moved[1:3, 1].max(), outer.height)),
    )
    return outer, inner


def _scaled(box: Box, width: int, height: int, full_width: int, full_height: int) -> Box:
    """A box of a picture of width x height, in the picture at its full size."""
    x, y = full_width / width, full_height / height
    return Box(round(box.left * x), round(box.top * y), round(box.right * x), round(box.bottom * y))


def preprocess_of(name: str) -> Preprocess:
    """Parse the name of a mode.

    Raises:
        InvalidInputException: there is none.
    """
    try:
        return Preprocess(name)
    except ValueError as error:
        modes = ", ".join(mode.value for mode in Preprocess)
        raise InvalidInputException(f"preprocess is {name!r}; it must be one of {modes}.") from error
