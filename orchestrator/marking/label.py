"""A visible label in the corner of a video's frames, drawn once as a small patch."""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint8]

HEIGHT_SHARE: Final = 1 / 22
"""Height of the letters as a share of the frame's shorter side."""

LEAST_PIXELS: Final = 11
"""Height of letters that can be read."""

MARGIN: Final = 0.5
"""Space around the letters, and between the patch and the frame's edge, in heights of letters."""

BOX_OPACITY: Final = 0.55
"""Opacity of the dark box behind the white letters."""


class Label:
    """A text on a dark box, mixed into frames of one size; only the pixels under it are computed.

    Args:
        width, height: of the frames; a text that is too wide is cut at the edge.
    """

    def __init__(self, text: str, width: int, height: int) -> None:
        self.text = text
        patch = _patch(text, max(LEAST_PIXELS, round(min(width, height) * HEIGHT_SHARE)))[:height, :width]
        edge = min(round(MARGIN * LEAST_PIXELS), height - patch.shape[0], width - patch.shape[1])
        self._rows = slice(height - edge - patch.shape[0], height - edge)
        self._columns = slice(edge, edge + patch.shape[1])
        alpha = patch[..., 1:].astype(np.uint16)
        self._keep = 255 - alpha
        self._add = patch[..., :1].astype(np.uint16) * alpha + 127

    def draw(self, frame: Pixels) -> Pixels:
        """A copy of a frame, uint8 [height, width, 3], with the label."""
        drawn = frame.copy()
        under = drawn[self._rows, self._columns]
        under[...] = (under * self._keep + self._add) // 255
        return drawn


def _patch(text: str, size: int) -> Pixels:
    """The label's grey value and opacity: uint8 [h, w, 2]."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    space = round(MARGIN * size)
    shape = round(right - left) + 2 * space, round(bottom - top) + 2 * space
    patch = Image.new("LA", shape, (0, round(255 * BOX_OPACITY)))
    ImageDraw.Draw(patch).text((space - left, space - top), text, (255, 255), font)
    return np.asarray(patch, np.uint8)
