"""Frames in their place in a picture, with the frame's gradients and the picture's colours around them.

Perez et al., 2003 (doi:10.1145/882262.882269), with the choices of OpenCV's ``seamlessClone`` for a mask that
is all set, which the reference uses: the outermost pixels of the box stay the picture's, the next ones are
the equation's border, and the gradients are the frame's only ``MARGIN`` pixels further inside.

The blend v solves the Poisson equation (Perez, equation 4) lap v = div g inside of the box, with the picture
on its border; g has the frame's gradients inside and the picture's in the margin around. Steps:

1. v = frame inside, picture around, plus a correction u that is harmonic (lap u = 0) but for the four lines
   between both, where it takes back the jump. Only u has to be solved for, from four lines of numbers.
2. Along a line of n unknowns, a sine transform turns lap u into one equation per wave k = 1..n across it:
   u[y - 1] - 2 cosh(r_k) u[y] + u[y + 1] = delta[y], with cosh(r_k) = 1 + 2 sin(pi k / (2 (n + 1)))^2.
3. Its solution is a Green's function that decays with exp(-r_k) per pixel and depends on the box alone, so it
   is computed once. Short waves decay at once: most of the picture needs few of them.
4. A frame costs a transform of its four lines, a product per wave, and the transform back.
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
"""Tolerated sum of the waves that are left out, of 255."""

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
        self._has_inside = min(height, width) > 2 * MARGIN
        if self._has_inside:
            self._columns = _LineCorrection(height - 2, width - 2)
            self._rows = _LineCorrection(width - 2, height - 2)

    def __call__(self, frame: Pixels) -> Pixels:
        """frame: uint8 [S, S, 3] -> the picture with it, uint8 [H, W, 3]."""
        whole = self._picture.copy()
        if self._has_inside:
            fitted = resize(frame, *self._size)[1:-1, 1:-1]
            blended = self._around + self._change(fitted - self._around)
            whole[self._place] = np.clip(blended, 0, 255)  # cuts fractions off, as OpenCV does
        return whole

    def _change(self, difference: Floats) -> Floats:
        """Change of the picture, [h, w, 3]. difference: frame less picture, [h, w, 3]."""
        inside = slice(MARGIN, -MARGIN)
        change = np.zeros_like(difference)
        change[inside, inside] = difference[inside, inside]
        # A gradient belongs to the pixel before it: the frame's last one leads to a pixel outside.
        first, last = MARGIN, -MARGIN
        change[1:-1, 1:-1] += self._columns(_line(difference[:, first]), _line(difference[:, last]))
        change[1:-1, 1:-1] += self._rows(_line(difference[first]), _line(difference[last])).swapaxes(0, 1)
        return change


class _LineCorrection:
    """Correction for two lines that face each other: the decay of each wave along them, across the box.

    Args:
        length: unknowns along a line.
        depth: unknowns across.
    """

    def __init__(self, length: int, depth: int) -> None:
        self._along = _sine_basis(length)
        rate = _decay_rates(length)
        step = _green_function(rate, MARGIN, depth) - _green_function(rate, MARGIN - 1, depth)
        self._fading = (step * (2 / (length + 1))).astype(np.float32)
        self._strips = [
            (slice(start, start + STRIP), n_waves)
            for start, n_waves in zip(range(0, depth, STRIP), _waves_needed(self._fading), strict=True)
        ]

    def __call__(self, first: Floats, last: Floats) -> Floats:
        """Correct for differences along the lines, each [length, 3] -> [length, depth, 3]."""
        length, depth = self._fading.shape
        near, far = (self._along.T @ line for line in (first, last))
        spread = np.empty((length, depth, 3), np.float32)
        for strip, n_waves in self._strips:
            fading, mirrored = self._fading[:n_waves, strip], self._fading[:n_waves, ::-1][:, strip]
            waves = fading[:, :, None] * near[:n_waves, None] + mirrored[:, :, None] * far[:n_waves, None]
            spread[:, strip] = (self._along[:, :n_waves] @ waves.reshape(n_waves, -1)).reshape(length, -1, 3)
        return spread


def _line(difference: Floats) -> Floats:
    """Reduce [n, 3] along the whole equation to [n - 2, 3] of unknowns, 0 beyond the frame's gradients."""
    line = np.zeros_like(difference[1:-1])
    inside = slice(MARGIN - 1, 1 - MARGIN)
    line[inside] = difference[1:-1][inside]
    return line


def _sine_basis(n: int) -> Floats:
    """Sine waves between two zeros as columns, [n, n]; the matrix times itself is (n + 1) / 2."""
    steps = np.arange(1, n + 1)
    return np.asarray(np.sin(np.pi * np.outer(steps, steps) / (n + 1)), np.float32)


def _decay_rates(n: int) -> Doubles:
    """Decay rates r_k of the waves, [n]: each fades by exp(-r_k) from one pixel to the next."""
    return np.asarray(2 * np.arcsinh(np.sin(np.pi * np.arange(1, n + 1) / (2 * (n + 1)))), np.float64)


def _green_function(rate: Doubles, place: int, depth: int) -> Doubles:
    """Response of each wave to 1 at a place, [waves, depth], with zeros at 0 and depth + 1; places from 1.

    It is -sinh(r near) sinh(r (depth + 1 - far)) / (sinh(r) sinh(r (depth + 1))), in a form that never
    overflows.
    """
    rate, end = rate[:, None], depth + 1
    near, far = (choose(np.arange(1, end), place) for choose in (np.minimum, np.maximum))
    without_ends = np.exp(rate * (near - far)) / (-2 * np.sinh(rate))
    ends = np.expm1(-2 * rate * near) * np.expm1(-2 * rate * (end - far)) / -np.expm1(-2 * rate * end)
    return np.asarray(without_ends * ends, np.float64)


def _waves_needed(fading: Floats) -> list[int]:
    """Number of waves that each strip needs. fading: [waves, depth]; the facing line's fade the other way."""
    largest = 255 * len(fading) * (np.abs(fading) + np.abs(fading[:, ::-1]))
    left_out = np.cumsum(largest[::-1], axis=0)
    needed = len(fading) - np.count_nonzero(left_out <= TOLERANCE, axis=0)
    return [int(needed[start : start + STRIP].max()) for start in range(0, len(needed), STRIP)]
