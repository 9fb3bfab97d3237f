"""The aligned face that 3DMM reconstruction sees (Deng et al., 2019, arXiv:1903.08527)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lumen.errors import InvalidInputException
from lumen.families.sadtalker.dims import (
    FACE_ANGLES,
    FACE_EXPRESSION,
    FACE_MODEL,
    FACE_SIDE,
    FACE_TRANSLATION,
    PLACE,
)
from lumen.families.sadtalker.landmarks import checked, one_point

FloatArray = NDArray[np.float64]

EYES_NOSE_MOUTH: Final = ((36, 39), (42, 45), (30, 30), (48, 48), (54, 54))
"""Landmarks whose means are the five points: eyes, tip of the nose, corners of the mouth."""

MODEL_POINTS: Final[FloatArray] = np.array(
    [
        (-0.31148657, 0.29036078, 0.13377953),
        (0.30979887, 0.28972036, 0.13179526),
        (0.0032535, -0.04617932, 0.55244243),
        (-0.25216928, -0.38133916, 0.22405732),
        (0.2484662, -0.38128236, 0.22235769),
    ]
)
"""The same five points on the face model, in its units (decimetres)."""

PIXELS_PER_UNIT: Final = 102.0
"""Scale of the model in the aligned picture."""

LARGEST_SIDE: Final = 8 * 2048
"""Pixels of a resized picture's side: a face so small in its picture is none."""


@dataclass(frozen=True)
class Aligned:
    """image: float32 [3, 224, 224] RGB in [0, 1]. place: float32 [3], scale and position in the portrait.

    The position (x from the left, y from the bottom) is where the model's origin lies, in pixels.
    """

    image: NDArray[np.float32]
    place: NDArray[np.float32]


def align(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Aligned:
    """The face of ``image``, uint8 [H, W, 3] RGB, scaled and moved to where the network expects it.

    landmarks: float32 [68, 2] in pixels, y downwards.

    Raises:
        InvalidInputException: the landmarks are not those of a face.
    """
    height, width = image.shape[:2]
    scale, x, y = _place(five_points(landmarks, height))
    size = int(width * scale), int(height * scale)
    if not 0 < min(size) <= max(size) <= LARGEST_SIDE:
        raise InvalidInputException(
            f"The face is too {'large' if scale < 1 else 'small'} for its picture of {width} x {height}; "
            "send a portrait that shows one face."
        )
    left = int(size[0] / 2 - FACE_SIDE / 2 + (x - width / 2) * scale)
    top = int(size[1] / 2 - FACE_SIDE / 2 + (height / 2 - y) * scale)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    face = resized.crop((left, top, left + FACE_SIDE, top + FACE_SIDE))
    pixels = np.asarray(face, np.float32).transpose(2, 0, 1) / np.float32(255)
    return Aligned(pixels, np.array([scale, x, y], np.float32))


def five_points(landmarks: NDArray[np.float32], height: int) -> FloatArray:
    """[68, 2] with y downwards -> eyes, nose, mouth [5, 2] with y upwards.

    Raises:
        InvalidInputException: they are not 68 finite points.
    """
    points = checked(landmarks) * (1, -1) + (0, height - 1)
    return np.array([(points[a] + points[b]) / 2 for a, b in EYES_NOSE_MOUTH])


def _place(points: FloatArray) -> tuple[float, float, float]:
    """Scale of the picture, and the position of the model's origin in it, by least squares.

    points: [5, 2], y upwards.
    """
    solution = _projection(points)
    units = np.linalg.norm(solution[:3], axis=0).mean()
    if units < 1e-3:
        raise one_point()
    return float(PIXELS_PER_UNIT / units), float(solution[3, 0]), float(solution[3, 1])


def yaw_of(landmarks: NDArray[np.float32]) -> float:
    """Yaw of the head in degrees: 0 looks at the camera, 90 is a profile.

    Positive turns the nose to the picture's right. landmarks: float32 [68, 2] in pixels, y downwards.

    Raises:
        InvalidInputException: they are not 68 finite points, or all in one place.
    """
    across, _, forward, _ = _projection(five_points(landmarks, 0))
    width = float(np.linalg.norm(across))
    if width == 0:
        raise one_point()
    return float(np.degrees(np.arctan2(forward @ across / width, width)))


def _projection(points: FloatArray) -> FloatArray:
    """Fit the picture's projection of the face model's axes and origin, [4, 2], by least squares.

    points [5, 2] are taken as a picture of ``MODEL_POINTS``: points = model @ axes + origin.
    """
    model = np.concatenate([MODEL_POINTS, np.ones((len(MODEL_POINTS), 1))], 1)
    return np.asarray(np.linalg.lstsq(model, points, rcond=None)[0], np.float64)


def portrait_coefficients(face: NDArray[np.float32], place: NDArray[np.float32]) -> NDArray[np.float32]:
    """Portrait's coefficients, float32 [73]: expression, angles, translation, place.

    face: [257], the network's answer. place: [3].

    Raises:
        InvalidInputException: their sizes differ from that.
    """
    if face.shape != (FACE_MODEL,) or place.shape != (PLACE,):
        raise InvalidInputException(
            f"Got {list(face.shape)} coefficients and {list(place.shape)} for the place; "
            f"expected [{FACE_MODEL}] and [{PLACE}]."
        )
    parts = [face[FACE_EXPRESSION], face[FACE_ANGLES], face[FACE_TRANSLATION], place]
    return np.asarray(np.concatenate(parts), np.float32)
