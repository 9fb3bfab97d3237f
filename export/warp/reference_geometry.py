"""Geometry of the reference renderer: points are complex numbers (x + iy), planes arrays of them."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class Axes:
    """A coordinate system between two points: origin, direction to the right, unit."""

    def __init__(self, origin: complex, right: complex, unit: float) -> None:
        self.origin, self.right, self.unit = origin, right, unit

    def local(self, place: ComplexArray) -> ComplexArray:
        return (place - self.origin) / (self.right * self.unit)

    def image(self, offset: ComplexArray) -> ComplexArray:
        return offset * self.right * self.unit


def between(mesh: ComplexArray, left: int, right: int) -> Axes:
    across = mesh[right] - mesh[left]
    return Axes((mesh[left] + mesh[right]) / 2, across / abs(across), abs(across) / 2)


def centres(side: int) -> ComplexArray:
    line = (2 * np.arange(side) + 1) / side - 1
    return np.asarray(line[None, :] + 1j * line[:, None])


def line(u: FloatArray, axes: Axes, mesh: ComplexArray, ids: tuple[int, ...]) -> FloatArray:
    """Height at u of the broken line through the points ``ids``, constant beyond its ends."""
    knots = axes.local(mesh[list(ids)])
    height = np.full(u.shape, knots[0].imag)
    for a, b in pairwise(knots):
        width = max(b.real - a.real, 1e-4)
        height += np.clip((u - a.real) / width, 0, 1) * (b.imag - a.imag)
    return height


def gauss(at: ComplexArray, width: float, height: float) -> FloatArray:
    return np.asarray(np.exp(-((at.real / width) ** 2) - (at.imag / height) ** 2))


def bell(value: FloatArray, width: float) -> FloatArray:
    return np.asarray(np.exp(-((value / width) ** 2)))


def step(value: FloatArray, low: float, high: float) -> FloatArray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def bilinear(image: NDArray[Any], x: FloatArray, y: FloatArray) -> Any:
    """Samples of image [H, W, C] in pixels, whose centres are at 0.5; zero outside."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    x, y = np.clip(x + 0.5, 0, width + 0.999), np.clip(y + 0.5, 0, height + 0.999)
    column, row = x.astype(int), y.astype(int)
    right, down = (x - column)[..., None], (y - row)[..., None]
    upper = padded[row, column] * (1 - right) + padded[row, column + 1] * right
    lower = padded[row + 1, column] * (1 - right) + padded[row + 1, column + 1] * right
    return upper * (1 - down) + lower * down
