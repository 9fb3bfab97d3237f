"""Moving the mesh's mouth onto the picture's: the line between closed lips is dark and easy to see.

The mesh network often puts a closed mouth one or two per cent of the face too high. An animation
that parts the lips beside their line shows at once, so the line is looked for near the mesh's and
the mouth follows it, the rest of the face less and less.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lumen.families.portrait.regions import FloatArray, Roi, roi_pixels

UPPER_LINE: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LINE: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""Inner edges of the lips from the right corner of the mouth to the left, one above the other."""

MAX_GAP: Final = 0.06
"""Opening relative to the mouth's width up to which a mouth counts as closed."""

PATCH: Final = 128
"""Side in pixels of the square around the mouth that is looked at."""

PATCH_SCALE: Final = 1.5
"""Side of that square relative to the mouth's width."""

REACH: Final = 0.14
"""Range of the search for the line, relative to the mouth's width."""

VALLEY: Final = 4
"""Pixels of the patch between the line and the lips it is compared with."""

MIN_DEPTH: Final = 0.03
"""Mean darkness of a line relative to the lips, of 1, below which nothing is moved."""

DISTRUST: Final = 0.05
"""Darkness that a line at the end of ``REACH`` must have more than one in the mesh's place."""


def settle_lips(picture: Image.Image, mesh: FloatArray, angle: float) -> FloatArray:
    """The mesh, [468, 2] in pixels, with a closed mouth on the line between the lips.

    angle: the head's roll in radians. An open mouth, and one without a clear line, stay.
    """
    width = float(np.linalg.norm(mesh[UPPER_LINE[0]] - mesh[UPPER_LINE[-1]]))
    gaps = np.linalg.norm(mesh[list(UPPER_LINE)] - mesh[list(LOWER_LINE)], axis=1)
    if width < 1 or gaps.max() > MAX_GAP * width:
        return mesh
    line = (mesh[list(UPPER_LINE)] + mesh[list(LOWER_LINE)]) / 2
    roi = Roi(line.mean(axis=0), width * PATCH_SCALE, angle)
    depth = _valleys(roi_pixels(picture, roi, PATCH))
    shift, bend = _best_line(depth, roi.from_image(line) * PATCH)
    return _moved(mesh, roi, shift / PATCH, bend / PATCH)


def _valleys(patch: FloatArray) -> FloatArray:
    """Darkness of each pixel relative to those above and below it, [PATCH, PATCH]."""
    grey = patch @ np.array([0.35, 0.5, 0.15], np.float32)
    soft = (grey[:, :-2] + grey[:, 1:-1] + grey[:, 2:]) / 3
    soft = np.pad(soft, ((VALLEY, VALLEY), (1, 1)), mode="edge")
    above, below = soft[: -2 * VALLEY], soft[2 * VALLEY :]
    return np.asarray(np.minimum(above, below) - soft[VALLEY:-VALLEY], np.float32)


def _best_line(depth: FloatArray, line: FloatArray) -> tuple[float, float]:
    """Shift of the line's corners and of its middle against them, in patch pixels, down positive."""
    reach = REACH / PATCH_SCALE * PATCH
    shifts = np.arange(-round(reach), round(reach) + 1, dtype=np.float32)
    bends = np.arange(-6, 7, 2, dtype=np.float32)
    shift, bend = (grid[..., None] for grid in np.meshgrid(shifts, bends, indexing="ij"))
    inner = line[1:-1]
    rows = inner[:, 1] + shift + bend * _arch(inner[:, 0])
    columns = np.broadcast_to(np.clip(inner[:, 0].round(), 0, PATCH - 1), rows.shape)
    rows = np.clip(rows.round(), 0, PATCH - 1)
    darkness = depth[rows.astype(int), columns.astype(int)].mean(axis=-1)
    trusted = darkness - DISTRUST * ((shift / reach) ** 2 + (bend / 12) ** 2)[..., 0]
    best = np.unravel_index(trusted.argmax(), trusted.shape)
    if darkness[best] < MIN_DEPTH:
        return 0.0, 0.0
    return float(shifts[best[0]]), float(bends[best[1]])


def _arch(columns: NDArray[np.float32]) -> FloatArray:
    """1 in the middle of the patch, 0 at the corners of the mouth and beyond."""
    across = (columns / PATCH - 0.5) * 2 * PATCH_SCALE
    return np.asarray(np.clip(1 - across**2, 0, 1), np.float32)


def _moved(mesh: FloatArray, roi: Roi, shift: float, bend: float) -> FloatArray:
    """Points near the mouth moved down the face; shift and bend relative to the square."""
    points = roi.from_image(mesh)
    away = (points - 0.5) * PATCH_SCALE / (0.75, 0.6)
    weight = np.exp(-(away**4).sum(axis=1))
    points[:, 1] += weight * (shift + bend * _arch(points[:, 0] * PATCH))
    return roi.to_image(points)
