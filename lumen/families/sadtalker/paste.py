"""Frames in the shape of the picture they were cut from, or back in their place in it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lumen.families.sadtalker.crop import Box

Pixels = NDArray[np.uint8]

FEATHER: Final = 0.06
"""Width of the seam, of the box's shorter side."""


def output_size(box: Box, size: int) -> tuple[int, int]:
    """Width and height of frames of ``size`` that shall have the box's aspect again; even, as video wants."""
    height = int(size * box.height / box.width)
    return size, max(height - height % 2, 2)


class PasteBack:
    """Puts frames into one picture; the seam's mask is made once.

    The seam is feathered, which keeps the colours of every frame: a Poisson blend shifts them from frame to
    frame. Where the box ends at the picture's edge there is no seam.
    """

    def __init__(self, picture: Pixels, box: Box) -> None:
        """picture: uint8 [H, W, 3] RGB. box: inside of it."""
        self._picture, self._box = picture, box
        height, width = picture.shape[:2]
        feather = max(1.0, FEATHER * min(box.width, box.height))
        rows = _ramp(box.height, box.top > 0, box.bottom < height, feather)
        columns = _ramp(box.width, box.left > 0, box.right < width, feather)
        self._mask = np.minimum(rows[:, None], columns)[:, :, None]
        self._around = (1 - self._mask) * self._part(picture)

    def __call__(self, frame: Pixels) -> Pixels:
        """frame: uint8 [S, S, 3] -> the picture with it, uint8 [H, W, 3]."""
        size = self._box.width, self._box.height
        fitted = Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR)
        whole = self._picture.copy()
        self._part(whole)[:] = np.rint(self._around + self._mask * np.asarray(fitted, np.float32))
        return whole

    def _part(self, picture: Pixels) -> Pixels:
        box = self._box
        return picture[box.top : box.bottom, box.left : box.right]


def _ramp(n: int, first_seam: bool, last_seam: bool, feather: float) -> NDArray[np.float32]:
    """[n] from 0 beyond a seam to 1 inside, smoothly."""
    inside = np.arange(n) + 0.5
    depth = np.minimum(inside if first_seam else np.inf, inside[::-1] if last_seam else np.inf)
    share = np.clip(depth / feather, 0, 1)
    return np.broadcast_to(share * share * (3 - 2 * share), n).astype(np.float32)
