"""Pictures for the tests, and what is known about the bundled portraits."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export.warp.drawing.likeness import AXIS, Likeness
from lumen.families.portrait.face_mesh import Face
from tests.support.paths import ROOT

PORTRAITS = ROOT / "assets" / "portraits"

Pixels = NDArray[np.uint8]

NOSE_TIP = 4
"""Index among the mesh's points."""


def portrait(name: str) -> Pixels:
    return np.array(Image.open(PORTRAITS / f"{name}.png").convert("RGB"))


def scaled(image: Pixels, side: int) -> Pixels:
    return np.array(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


def on_canvas(parts: list[tuple[Pixels, int, int]], width: int, height: int) -> Pixels:
    """Pictures at (x, y) on plain grey."""
    canvas = np.full((height, width, 3), 128, np.uint8)
    for image, x, y in parts:
        canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
    return canvas


def turned(image: Pixels, face: Face, degrees: float) -> Pixels:
    """The head as a relief, an ellipsoid with a nose, turned to its side on plain grey; 90 is a profile.

    Positive turns the nose to the picture's right.
    """
    twice = scaled(image, 2 * len(image))
    y, x = np.mgrid[: len(twice), : len(twice)] / 2
    (left, top, right, bottom), tip = face.box, face.mesh[NOSE_TIP]
    half_width, half_height = (right - left) / 2, (bottom - top) / 2
    across = x - (left + right) / 2
    outside = (across / half_width / 1.15) ** 2 + ((y - (top + bottom) / 2) / half_height / 1.4) ** 2
    below = (y - tip[1]) / half_height
    nose = np.exp(-(((x - tip[0]) / half_width / 0.16) ** 2) - (below / np.where(below < 0, 0.45, 0.1)) ** 2)
    depth = half_width * (1.15 * np.sqrt(np.clip(1 - outside, 0, 1)) + 0.6 * nose)
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    nearest_last = np.argsort((depth * cosine - across * sine).ravel(), kind="stable")
    order = nearest_last[(outside < 1).ravel()[nearest_last]]
    columns = np.rint(across * cosine + depth * sine + (left + right) / 2).ravel()[order]
    canvas = np.full_like(image, 128)
    canvas[y.ravel()[order].astype(int), np.clip(columns, 0, len(image) - 1).astype(int)] = twice.reshape(
        -1, 3
    )[order]
    return np.asarray(cv2.medianBlur(canvas, 5))


def drawn_points(who: Likeness) -> dict[int, tuple[float, float]]:
    """Places of mesh points as they were drawn, in pixels of the 768-pixel portrait."""
    eyes, lips = who.eyes, who.lips
    outer, corner = eyes.apart + eyes.half_width, lips.half_width
    return {
        33: (AXIS - outer, eyes.y - eyes.tilt),
        263: (AXIS + outer, eyes.y - eyes.tilt),
        159: (AXIS - eyes.apart, eyes.y + eyes.upper[3][1]),
        386: (AXIS + eyes.apart, eyes.y + eyes.upper[3][1]),
        61: (AXIS - corner, lips.y + lips.line[-1][1]),
        291: (AXIS + corner, lips.y + lips.line[-1][1]),
        13: (AXIS, lips.y + lips.line[0][1]),
        14: (AXIS, lips.y + lips.line[0][1]),
        0: (AXIS, lips.y + lips.upper[0][1]),
        17: (AXIS, lips.y + lips.lower[0][1]),
        152: (AXIS, who.outline[-1][0]),
    }
