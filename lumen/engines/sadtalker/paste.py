"""Frames in the shape of the picture they were cut from, or back in their place in it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lumen.engines.sadtalker.crop import Box

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


class PoissonPaste:
    """Puts frames into one picture with the frame's gradients and the picture's colours at the edge.

    Perez et al., 2003 (doi:10.1145/882262.882269): the frame plus a correction that is harmonic inside of the
    box and, on its outermost pixels, the difference to the picture. Harmonic is solved for by a sine
    transform, made of an FFT.
    """

    def __init__(self, picture: Pixels, box: Box) -> None:
        """picture: uint8 [H, W, 3] RGB. box: inside of it."""
        self._picture = picture
        self._inside = slice(box.top, box.bottom), slice(box.left, box.right)
        self._size = box.width, box.height
        self._edge = picture[self._inside].astype(np.float64)
        rows, columns = (_curvature(max(n - 2, 0)) for n in (box.height, box.width))
        self._curvature = (rows[:, None] + columns)[:, :, None]

    def __call__(self, frame: Pixels) -> Pixels:
        """frame: uint8 [S, S, 3] -> the picture with it, uint8 [H, W, 3]."""
        fitted = np.asarray(Image.fromarray(frame).resize(self._size, Image.Resampling.BILINEAR), np.float64)
        correction = self._edge - fitted
        if min(self._size) > 2:
            correction[1:-1, 1:-1] = self._harmonic(correction)
        whole = self._picture.copy()
        whole[self._inside] = np.rint(np.clip(fitted + correction, 0, 255))
        return whole

    def _harmonic(self, border: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inside [h - 2, w - 2, 3] of a harmonic function whose outermost values are given, [h, w, 3]."""
        pull = np.zeros_like(border[1:-1, 1:-1])
        pull[0] += border[0, 1:-1]
        pull[-1] += border[-1, 1:-1]
        pull[:, 0] += border[1:-1, 0]
        pull[:, -1] += border[1:-1, -1]
        waves = _sines(_sines(pull, 0), 1) / self._curvature
        n_rows, n_columns = waves.shape[:2]
        inside: NDArray[np.float64] = _sines(_sines(waves, 0), 1) * (4 / ((n_rows + 1) * (n_columns + 1)))
        return inside


def _curvature(n: int) -> NDArray[np.float64]:
    """[n]: minus the second difference of each sine wave that fits between two zeros."""
    return 2 - 2 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1))


def _sines(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The discrete sine transform (DST-I) along an axis; twice it is (n + 1) / 2 times the same."""
    n = values.shape[axis]
    moved = np.moveaxis(values, axis, 0)
    spectrum = np.fft.rfft(np.concatenate([np.zeros_like(moved[:1]), moved]), 2 * (n + 1), axis=0)
    return np.asarray(np.moveaxis(-spectrum.imag[1 : n + 1], 0, axis), np.float64)


def _ramp(n: int, first_seam: bool, last_seam: bool, feather: float) -> NDArray[np.float32]:
    """[n] from 0 beyond a seam to 1 inside, smoothly."""
    inside = np.arange(n) + 0.5
    depth = np.minimum(inside if first_seam else np.inf, inside[::-1] if last_seam else np.inf)
    share = np.clip(depth / feather, 0, 1)
    return np.broadcast_to(share * share * (3 - 2 * share), n).astype(np.float32)
