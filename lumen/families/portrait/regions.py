"""Turned squares of an image: where the networks look at a face."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Roi:
    """A turned square of the image: centre [2] and side in pixels, angle in radians, clockwise."""

    centre: FloatArray
    side: float
    angle: float

    def to_image(self, points: FloatArray) -> FloatArray:
        """points [N, 2] in [0, 1] of the square -> pixels of the image."""
        turned = ((points - 0.5) * self.side) @ rotation(self.angle).T
        return np.asarray(turned + self.centre, np.float32)

    def from_image(self, points: FloatArray) -> FloatArray:
        """Map points of the image into the region."""
        return np.asarray((points - self.centre) @ rotation(self.angle) / self.side + 0.5, np.float32)


def rotation(angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]], np.float32)


def roi_pixels(picture: Image.Image, roi: Roi, n: int) -> FloatArray:
    """The square as float32 [n, n, 3] in [0, 1], black beyond the image.

    A large square is first reduced by a whole factor, which keeps fine lines that sampling would miss.
    """
    reach = roi.side * 0.75
    box = _clip((*(roi.centre - reach), *(roi.centre + reach)), picture.size)
    factor = max(1, int(roi.side / n))
    part = picture.reduce(factor, box) if factor > 1 else picture.crop(box)
    step = rotation(roi.angle) * (roi.side / n / factor)
    start = (roi.centre - np.array(box[:2])) / factor - step @ np.full(2, n / 2)
    coefficients = (*step[0], start[0], *step[1], start[1])
    seen = part.transform(
        (n, n),
        Image.Transform.AFFINE,
        [float(c) for c in coefficients],
        Image.Resampling.BILINEAR,
    )
    return np.asarray(seen, np.float32) / 255.0


def _clip(box: tuple[float, ...], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in whole pixels with at least one of them inside the image."""
    x0, y0 = (int(np.clip(np.floor(v), 0, n - 1)) for v, n in zip(box[:2], size, strict=True))
    x1, y1 = (int(np.clip(np.ceil(v), 1, n)) for v, n in zip(box[2:], size, strict=True))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
