"""Portrait for an animator: a square crop of a picture, and the face's mesh in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from lumen.contracts import FRAME_SIZES
from lumen.errors import InvalidInputException
from lumen.families.portrait.face_mesh import Face, roll_of

FACE_SHARE: Final = 0.47
"""Height of the face (chin to hairline) relative to the crop's side."""

MAX_FACE_SHARE: Final = 0.64
"""Height of the face where the picture has no room: a tighter crop is better than invented surroundings."""

FACE_TOP: Final = 0.24
"""Height of the hairline in the crop, as a fraction of its side: room for hair above."""

MIN_FACE_SIDE: Final = 64
"""Pixels that a face must have; below, enlarging shows nothing but blur."""

RIVAL_SHARE: Final = 0.5
"""A face counts beside the main one if it has at least this fraction of its size."""

MAX_ROLL: Final = 60.0
"""Degrees from which a face is taken to lie on its side."""

EYES_AND_MOUTH: Final = (33, 133, 263, 362, 61, 291, 0, 17)
"""Mesh points that must be inside the picture: corners of eyes and mouth, edges of the lips."""

BLUR: Final = 0.07
"""Standard deviation of the blur of invented surroundings, as a fraction of the side."""

SEAM: Final = 0.015
"""Standard deviation of the blur of the seam between them and the picture, likewise."""


@dataclass(frozen=True)
class Portrait:
    """crop: uint8 [size, size, 3] RGB. mesh: float32 [468, 3] in [-1, 1] of the crop.

    The mesh is in grid_sample's coordinates with align_corners=False: -1 and 1 are the outer edges
    of the crop, the centre of pixel p is (2 p + 1) / size - 1. Points may lie a little outside. The
    third number is the depth in the same unit, growing away from the viewer, 0 at the mesh's middle.
    """

    crop: NDArray[np.uint8]
    mesh: NDArray[np.float32]


@dataclass(frozen=True)
class Square:
    """A part of a picture in whole pixels; it may reach beyond the picture's edges."""

    x: int
    y: int
    side: int


def make_portrait(image: NDArray[np.uint8], faces: Sequence[Face], size: int) -> Portrait:
    """Crop ``image``, uint8 [H, W, 3] RGB, around the one face it shows.

    Raises:
        InvalidInputException: the size is not one of ``FRAME_SIZES``, or there is not exactly one
            face to animate, or it is too small or cut off.
    """
    if size not in FRAME_SIZES:
        raise InvalidInputException(f"size is {size}; it must be one of {', '.join(map(str, FRAME_SIZES))}")
    height, width = image.shape[:2]
    face = choose_face(faces, width, height)
    square = frame_face(face, width, height)
    mesh = np.column_stack(
        [2 * (face.mesh - (square.x, square.y)) / square.side - 1, 2 * face.depth / square.side]
    )
    return Portrait(_cut(Image.fromarray(image), square, size), mesh.astype(np.float32))


def choose_face(faces: Sequence[Face], width: int, height: int) -> Face:
    """The face to animate: the largest, if no other comes near it.

    A face with less than half the size of the largest is taken for somebody in the background.

    Raises:
        InvalidInputException: no face, several, one too small, or one that leaves the picture.
    """
    main = main_face(faces, width, height)
    if main.side < MIN_FACE_SIDE:
        raise InvalidInputException(
            f"the face in the picture is {main.side:.0f} pixels high; at least {MIN_FACE_SIDE} are needed: "
            "use a larger picture or one taken closer"
        )
    _check_inside(main, width, height)
    _check_upright(main)
    return main


def main_face(faces: Sequence[Face], width: int, height: int) -> Face:
    """The largest face, if no other comes near it, whatever its size and place.

    Raises:
        InvalidInputException: no face, or several.
    """
    if not faces:
        raise InvalidInputException(
            f"no face was found in the picture ({width} x {height} pixels); "
            "use one that shows a face from the front, well lit and not covered"
        )
    main = max(faces, key=lambda face: face.side)
    rivals = sorted((face.side for face in faces if face.side >= RIVAL_SHARE * main.side), reverse=True)
    if len(rivals) > 1:
        sizes = ", ".join(f"{side:.0f}" for side in rivals)
        raise InvalidInputException(
            f"{len(rivals)} faces were found in the picture ({sizes} pixels high); "
            "exactly one can speak: crop the picture to that person"
        )
    return main


def is_upright(face: Face) -> bool:
    """Whether a face is tilted by less than ``MAX_ROLL``."""
    return bool(abs(roll_of(face.mesh)) < np.radians(MAX_ROLL))


def _check_upright(face: Face) -> None:
    if not is_upright(face):
        raise InvalidInputException(
            f"the face in the picture is tilted by {np.degrees(roll_of(face.mesh)):.0f} degrees; up to "
            f"{MAX_ROLL:g} can be animated: turn the picture so that the face is upright"
        )


def _check_inside(face: Face, width: int, height: int) -> None:
    points = face.mesh[list(EYES_AND_MOUTH)]
    if (points < 0).any() or (points > (width, height)).any():
        raise InvalidInputException(
            "the face is cut off by the picture's edge; both eyes and the whole mouth must be visible"
        )


def frame_face(face: Face, width: int, height: int) -> Square:
    """The square around head and shoulders, moved inside the picture where it has room for it."""
    x0, y0, x1, y1 = (float(v) for v in face.box)
    wanted = face.side / FACE_SHARE
    side = round(min(wanted, max(min(width, height), face.side / MAX_FACE_SHARE)))
    top = y0 - side * (FACE_TOP + (FACE_SHARE - (y1 - y0) / side) / 2)
    return Square(_inside((x0 + x1 - side) / 2, side, width), _inside(top, side, height), side)


def _inside(start: float, side: int, length: int) -> int:
    """A start that keeps [start, start + side] in [0, length], or around it if that is shorter."""
    room = length - side
    return round(min(max(start, min(0, room)), max(0, room)))


def _cut(picture: Image.Image, square: Square, size: int) -> NDArray[np.uint8]:
    """The square, scaled to uint8 [size, size, 3]; beyond the picture its edges go on, blurred."""
    x0, y0 = max(square.x, 0), max(square.y, 0)
    x1 = min(square.x + square.side, picture.width)
    y1 = min(square.y + square.side, picture.height)
    seen = picture.crop((x0, y0, x1, y1))
    before = (x0 - square.x, y0 - square.y)
    after = (square.side - before[0] - seen.width, square.side - before[1] - seen.height)
    if not any((*before, *after)):
        return np.array(_scale(seen, size))
    padding = ((before[1], after[1]), (before[0], after[0]), (0, 0))
    whole = Image.fromarray(np.pad(np.asarray(seen), padding, mode="edge"))
    real = Image.new("L", whole.size)
    real.paste(255, (before[0], before[1], before[0] + seen.width, before[1] + seen.height))
    return np.array(_soften(_scale(whole, size), _scale(real, size)))


def _scale(picture: Image.Image, size: int) -> Image.Image:
    return picture.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _soften(picture: Image.Image, real: Image.Image) -> Image.Image:
    """Blur a picture where ``real`` (255: picture, 0: invented) is dark, with a soft seam."""
    blurred = picture.filter(ImageFilter.GaussianBlur(BLUR * picture.width))
    seam = real.filter(ImageFilter.GaussianBlur(SEAM * picture.width))
    kept = seam.point([max(0, 2 * level - 255) for level in range(256)])
    return Image.composite(picture, blurred, kept)
