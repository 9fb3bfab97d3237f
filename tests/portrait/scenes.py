"""Pictures for the tests, and what is known about the bundled portraits."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export.warp.drawing.likeness import AXIS, Likeness

PORTRAITS = Path(__file__).resolve().parents[2] / "assets" / "portraits"

Pixels = NDArray[np.uint8]


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


def drawn_points(who: Likeness) -> dict[int, tuple[float, float]]:
    """Where the drawing put what a mesh point stands for, in pixels of the 768-pixel portrait."""
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
