"""Frames in their place in a picture, with the frame's gradients and the picture's colours around them.

Perez et al., 2003 (doi:10.1145/882262.882269), with the choices of OpenCV's ``seamlessClone`` for a mask that
is all set, which the reference uses: the outermost pixels of the box stay the picture's, the next ones are
the equation's border, and the gradients are the frame's only ``MARGIN`` pixels further inside.

The wanted picture is the frame where its gradients are asked for, the old picture around that, and a
correction that is harmonic but for the four lines between both. So the correction is known from four lines of
numbers: in sine waves along a line, every wave fades with the depth at a rate of its own, which is computed
once. Short waves fade at once, so that most of the picture needs few of them.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.families.sadtalker.crop import Box
from lumen.families.sadtalker.resize import resize

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

MARGIN: Final = 3
"""Pixels from the equation's border to the first gradients that are the frame's: three erosions by 3 x 3."""

TOLERANCE: Final = 0.01
"""What the waves that are left out may add up to, of 255."""

STRIP: Final = 16
"""Pixels that are computed with the same number of waves."""


class PoissonPaste:
    """Puts frames into one picture; what depends on the picture and the box alone is computed once."""

    def __init__(self, picture: Pixels, box: Box) -> None:
        """picture: uint8 [H, W, 3] RGB. box: inside of it."""
        self._picture = picture
        self._size = box.width, box.height
        self._place = slice(box.top + 1, box.bottom - 1), slice(box.left + 1, box.right - 1)
        self._around = picture[self._place].astype(np.float32)
        height, width = box.height - 2, box.width - 2
        self._shows = min(height, width) > 2 * MARGIN
        if self._shows:
            self._columns = _Fading(height - 2, width - 2)
            self._rows = _Fading(width - 2, height - 2)

    def __call__(self, frame: Pixels) -> Pixels:
        """frame: uint8 [S, S, 3] -> the picture with it, uint8 [H, W, 3]."""
        whole = self._picture.copy()
        if self._shows:
            fitted = resize(frame, *self._size)[1:-1, 1:-1]
            blended = self._around + self._change(fitted - self._around)
            whole[self._place] = np.clip(blended, 0, 255)  # cuts fractions off, as OpenCV does
        return whole

    def _change(self, difference: Floats) -> Floats:
        """difference: frame less picture, [h, w, 3] -> what is added to the picture."""
        inside = slice(MARGIN, -MARGIN)
        change = np.zeros_like(difference)
        change[inside, inside] = difference[inside, inside]
        # A gradient belongs to the pixel before it: the frame's last one leads to a pixel outside.
        first, last = MARGIN, -MARGIN
        change[1:-1, 1:-1] += self._columns(_line(difference[:, first]), _line(difference[:, last]))
        change[1:-1, 1:-1] += self._rows(_line(difference[first]), _line(difference[last])).swapaxes(0, 1)
        return change


class _Fading:
    """The correction for two lines that face each other, from how each wave along them fades across.

    Args:
        length: unknowns along a line.
        depth: unknowns across.
    """

    def __init__(self, length: int, depth: int) -> None:
        self._along = _waves(length)
        rate = _fading_rates(length)
        step = _answer(rate, MARGIN, depth) - _answer(rate, MARGIN - 1, depth)
        self._fading = (step * (2 / (length + 1))).astype(np.float32)
        self._strips = [
            (slice(start, start + STRIP), n_waves)
            for start, n_waves in zip(range(0, depth, STRIP), _needed(self._fading), strict=True)
        ]

    def __call__(self, first: Floats, last: Floats) -> Floats:
        """Differences along the lines, each [length, 3] -> [length, depth, 3]."""
        length, depth = self._fading.shape
        near, far = (self._along.T @ line for line in (first, last))
        spread = np.empty((length, depth, 3), np.float32)
        for strip, n_waves in self._strips:
            fading, mirrored = self._fading[:n_waves, strip], self._fading[:n_waves, ::-1][:, strip]
            waves = fading[:, :, None] * near[:n_waves, None] + mirrored[:, :, None] * far[:n_waves, None]
            spread[:, strip] = (self._along[:, :n_waves] @ waves.reshape(n_waves, -1)).reshape(length, -1, 3)
        return spread


def _line(difference: Floats) -> Floats:
    """[n, 3] along the whole equation -> [n - 2, 3] of its unknowns, 0 beyond the frame's gradients."""
    line = np.zeros_like(difference[1:-1])
    inside = slice(MARGIN - 1, 1 - MARGIN)
    line[inside] = difference[1:-1][inside]
    return line


def _waves(n: int) -> Floats:
    """[n, n]: the sine waves (columns) that fit between two zeros; times itself it is (n + 1) / 2."""
    steps = np.arange(1, n + 1)
    return np.asarray(np.sin(np.pi * np.outer(steps, steps) / (n + 1)), np.float32)


def _fading_rates(n: int) -> Doubles:
    """[n]: how fast each of these waves fades: e to the minus this from one pixel to the next."""
    return np.asarray(2 * np.arcsinh(np.sin(np.pi * np.arange(1, n + 1) / (2 * (n + 1)))), np.float64)


def _answer(rate: Doubles, place: int, depth: int) -> Doubles:
    """[waves, depth]: the answer to 1 at a place, counted from 1, with zeros at 0 and at depth + 1."""
    rate, end = rate[:, None], depth + 1
    near, far = (choose(np.arange(1, end), place) for choose in (np.minimum, np.maximum))
    without_ends = np.exp(rate * (near - far)) / (-2 * np.sinh(rate))
    ends = np.expm1(-2 * rate * near) * np.expm1(-2 * rate * (end - far)) / -np.expm1(-2 * rate * end)
    return np.asarray(without_ends * ends, np.float64)


def _needed(fading: Floats) -> list[int]:
    """Waves that each strip needs. fading: [waves, depth]; the facing line's fade the other way."""
    largest = 255 * len(fading) * (np.abs(fading) + np.abs(fading[:, ::-1]))
    left_out = np.cumsum(largest[::-1], axis=0)
    needed = len(fading) - np.count_nonzero(left_out <= TOLERANCE, axis=0)
    return [int(needed[start : start + STRIP].max()) for start in range(0, len(needed), STRIP)]
