"""The inside of a mouth, drawn once: shades and masks of teeth and tongue in mouth coordinates.

u runs from -1 to 1 between the corners of the mouth, v downwards in the same unit, 0 at the line
where the lips meet. The colours come later, from the portrait.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

TEXTURE_WIDTH: Final = 160
TEXTURE_HEIGHT: Final = 100
"""Texels; a mouth is about 100 pixels wide in the largest frame."""

U_REACH: Final = 1.2
"""The texture covers u in [-U_REACH, U_REACH]."""

V_RANGE: Final = (-0.5, 1.0)
"""The texture covers v between these."""

UPPER_TOOTH_BORDERS: Final = (0.0, 0.30, 0.53, 0.72, 0.87, 0.98, 1.08)
"""|u| where one upper tooth ends and the next begins, from the middle outwards."""

LOWER_TOOTH_BORDERS: Final = (0.0, 0.19, 0.38, 0.57, 0.74, 0.88, 1.0)

SOFT: Final = 0.035
"""Width of soft edges, in u."""


def texel_centres() -> tuple[FloatArray, FloatArray]:
    """u float32 [1, W] and v float32 [H, 1] of the texels."""
    u = ((np.arange(TEXTURE_WIDTH) + 0.5) / TEXTURE_WIDTH * 2 - 1) * U_REACH
    low, high = V_RANGE
    v = (np.arange(TEXTURE_HEIGHT) + 0.5) / TEXTURE_HEIGHT * (high - low) + low
    return u[None, :].astype(np.float32), v[:, None].astype(np.float32)


def upper_teeth() -> tuple[FloatArray, FloatArray]:
    """Shade and mask, float32 [H, W] in [0, 1]; biting edges near v = 0.06."""
    u, v = texel_centres()
    across, border = _tooth(np.abs(u), UPPER_TOOTH_BORDERS)
    edge = 0.06 - 0.12 * u**2 - 0.030 * (2 * across - 1) ** 4
    mask = _below(v, edge) * _below(np.abs(u), 0.90)
    return _enamel(u / 0.9, across, border, np.clip((edge - v) / 0.4, 0, 1)), mask


def lower_teeth() -> tuple[FloatArray, FloatArray]:
    """The same for the lower row, whose edges lie at v = 0; the jaw moves it."""
    u, v = texel_centres()
    across, border = _tooth(np.abs(u), LOWER_TOOTH_BORDERS)
    edge = 0.0 + 0.06 * u**2 + 0.014 * (2 * across - 1) ** 4
    mask = _below(edge, v) * _below(np.abs(u), 0.66)
    return 0.86 * _enamel(u / 0.66, across, border, np.clip((v - edge) / 0.4, 0, 1)), mask


def tongue() -> tuple[FloatArray, FloatArray]:
    """Shade and mask of a tongue whose tip lies behind the lower teeth at v = 0."""
    u, v = texel_centres()
    back = -0.24 + 0.34 * u**2
    mask = np.clip((v - back) / 0.14, 0, 1) * _below(np.abs(u), 0.82)
    groove = 1 - 0.18 * np.exp(-((u / 0.07) ** 2))
    shade = groove * (0.55 + 0.45 * np.clip((v - back) / 0.35, 0, 1)) * (1 - 0.35 * u**2)
    return shade.astype(np.float32), (mask * mask * (3 - 2 * mask)).astype(np.float32)


def upper_layers() -> FloatArray:
    """Shade and mask of what stays with the head: float32 [2, H, W]."""
    return np.stack(upper_teeth())


def lower_layers() -> FloatArray:
    """Shade and mask of the lower teeth, then of the tongue, which go with the jaw: float32 [4, H, W]."""
    return np.stack([*lower_teeth(), *tongue()])


def _tooth(distance: FloatArray, borders: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Place within a tooth, 0 to 1, and the distance to the nearest border between two teeth."""
    edges = np.array(borders, np.float32)
    index = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, len(edges) - 2)
    across = (distance - edges[index]) / (edges[index + 1] - edges[index])
    nearest = np.abs(distance[..., None] - edges).min(-1)
    return np.clip(across, 0, 1).astype(np.float32), nearest.astype(np.float32)


def _enamel(u: FloatArray, across: FloatArray, border: FloatArray, height: FloatArray) -> FloatArray:
    """Shade of a tooth: rounded, darker towards the gum, in the gaps and to the sides."""
    rounded = 1 - 0.16 * (2 * across - 1) ** 2
    gaps = 1 - 0.34 * np.exp(-((border / 0.014) ** 2))
    arch = 1 - 0.85 * np.clip(np.abs(u), 0, 1) ** 2.4
    return np.asarray(rounded * gaps * arch * (1 - 0.18 * height), np.float32)


def _below(value: FloatArray, limit: FloatArray | float) -> FloatArray:
    """1 where ``value`` is below ``limit``, 0 where it is above, soft between."""
    return np.clip((limit - value) / SOFT + 0.5, 0, 1).astype(np.float32)
