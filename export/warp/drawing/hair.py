"""Hair: thousands of strands along guides, broad and dark ones first, fine and light ones last.

Of a strand, ``s`` is the way from root to tip and ``a`` its place in the mass, both in [0, 1].
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from export.warp.drawing.head import head_mask
from export.warp.drawing.likeness import AXIS, Likeness
from export.warp.drawing.painting import (
    Array,
    Knots,
    curve,
    grid,
    inside,
    paint,
    ramp,
    step,
    strands,
)

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Layer:
    """Number of strands, their width in pixels, how much lighter than the mass they are and how varied."""

    count: int
    width: float
    lift: float
    spread: float


LONG_LAYERS: Final = (
    Layer(1500, 3.4, -0.16, 0.06),
    Layer(1800, 1.6, 0.0, 0.1),
    Layer(1300, 0.8, 0.1, 0.13),
)
SHORT_LAYERS: Final = (
    Layer(1700, 3.2, -0.18, 0.05),
    Layer(2000, 1.6, 0.0, 0.1),
    Layer(1500, 0.9, 0.1, 0.14),
)

LONG_PIECES: Final = 18
SHORT_PIECES: Final = 10
"""Straight pieces of a strand."""

# Guides of long hair, next to the face and at the outside: x outwards and y over s.
INNER_X: Final = (
    (0, 0),
    (0.12, 44),
    (0.26, 100),
    (0.40, 130),
    (0.56, 139),
    (0.74, 130),
    (0.88, 112),
    (1, 92),
)
INNER_Y: Final = (
    (0, 164),
    (0.12, 178),
    (0.26, 222),
    (0.40, 282),
    (0.56, 368),
    (0.74, 462),
    (0.88, 556),
    (1, 640),
)
OUTER_X: Final = (
    *((0, -8), (0.10, 44), (0.19, 90), (0.28, 128), (0.37, 154), (0.47, 170), (0.60, 180)),
    *((0.75, 186), (0.88, 184), (1, 172)),
)
OUTER_Y: Final = (
    *((0, 76), (0.10, 80), (0.19, 100), (0.28, 138), (0.37, 192), (0.47, 262), (0.60, 352)),
    *((0.75, 458), (0.88, 560), (1, 652)),
)

# Short hair: where it starts above the forehead and where it ends, from one side to the other.
HAIRLINE: Final = (
    *((-132, 262), (-124, 222), (-96, 198), (-50, 188), (0, 184)),
    *((50, 187), (96, 197), (124, 222), (132, 262)),
)
CROWN: Final = (
    *((-141, 240), (-136, 172), (-104, 114), (-50, 82), (0, 74)),
    *((56, 80), (106, 108), (137, 168), (141, 240)),
)
# Its sides above the ears: distance from the face's middle over y.
SIDE_OUTER: Final = ((190, 130), (230, 138), (270, 140), (310, 140), (360, 138))
SIDE_INNER: Final = ((190, 84), (230, 110), (258, 121), (290, 122), (318, 128), (360, 137))


def paint_back(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    """Long hair behind the neck."""
    if not who.long_hair:
        return picture
    count = 2200
    u = rng.uniform(-1, 1, (count, 1))
    s = np.linspace(0, 1, LONG_PIECES + 1)[None]
    reach = 100 + 50 * np.sin(2.1 * s) + rng.normal(0, 6, (count, 1))
    x = AXIS + u * reach + 5 * np.sin(5 * s + 4 * u + rng.normal(0, 0.3, (count, 1))) * s
    y = 150 + s * (570 - 70 * u**2 + rng.normal(0, 14, (count, 1)))
    light = 0.20 + 0.10 * np.abs(u) + 0.05 * rng.standard_normal((count, 1)) + 0 * s[:, 1:]
    return _strands(who, picture, x, y, light, 3.0)


def paint_front(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    """Hair before the head."""
    if who.long_hair:
        for side in (1, -1):
            for layer in LONG_LAYERS:
                picture = _fall(who, picture, side, layer, rng)
        return picture
    picture = _sides(who, _scalp(who, picture), rng)
    for layer in SHORT_LAYERS:
        picture = _top(who, picture, layer, rng)
    return picture


def _strands(
    who: Likeness, picture: Array, x: Values, y: Values, light: Values, width: float, opacity: float = 1.0
) -> Array:
    paths = np.stack(np.broadcast_arrays(x, y), axis=-1).astype(np.float32)
    return strands(picture, paths, ramp(who.hair, light.astype(np.float32)), width, opacity)


def _fall(who: Likeness, picture: Array, side: int, layer: Layer, rng: np.random.Generator) -> Array:
    """Long hair from the parting down one side."""
    n = layer.count
    a = rng.uniform(0, 1, (n, 1))
    s = np.linspace(0, 1, LONG_PIECES + 1)[None] ** 1.35
    reach = s * rng.uniform(0.84, 1.0, (n, 1)) ** 0.8
    xi, yi, xo, yo = (curve(guide, reach) for guide in (INNER_X, INNER_Y, OUTER_X, OUTER_Y))
    lock = 27.2 * a
    wave = 13 * np.sin(11 * s + 0.35 * lock + 2 * side) * s**1.5 * (0.5 + 0.5 * a)
    wave = wave + 3 * np.sin(17 * s + lock) * s
    wave = wave + rng.normal(0, 1, (n, 1)) * (0.5 + 4.5 * s * s / (1 + layer.width))
    x = AXIS + who.parting * (1 - s) ** 2.5 + side * (xi + (xo - xi) * a + wave)
    y = yi + (yo - yi) * a + rng.normal(0, 1.5, (n, 1)) + 0.3 * wave
    light = _fall_light(a, (s[:, 1:] + s[:, :-1]) / 2, side) + layer.lift
    light = light + layer.spread * rng.standard_normal((n, 1))
    return _strands(who, picture, x, y, light, layer.width)


def _fall_light(a: Values, s: Values, side: int) -> Values:
    """Brightness of long hair: a ring of light around the crown, another lower down, dark roots."""
    lock = np.floor(16 * a) * 1.7
    volume = (
        0.28 + 0.24 * np.sin(np.pi * (0.1 + 0.85 * a)) + 0.07 * np.sin(5.1 * lock) + 0.05 * np.sin(160 * a)
    )
    crown = 0.42 * np.exp(-(((s - 0.25 - 0.06 * a) / 0.075) ** 2))
    lower = 0.30 * np.exp(-(((s - 0.66 - 0.05 * np.sin(lock)) / 0.12) ** 2))
    lit = (crown + lower) * (1.0 if side < 0 else 0.75)
    roots = 0.16 * np.exp(-s / 0.03)
    far_side = 0.1 * (side > 0) * np.clip(s / 0.2, 0, 1)
    at_face = 0.2 * np.exp(-a / 0.07) * (s > 0.3)
    return np.asarray(volume + lit - roots - far_side - at_face - 0.12 * s)


def _top(who: Likeness, picture: Array, layer: Layer, rng: np.random.Generator) -> Array:
    """Short hair combed up and to one side; behind: how far behind the hairline a strand starts."""
    n = layer.count
    a = rng.uniform(0, 1, (n, 1))
    behind = np.sort(rng.uniform(0, 1, (n, 1)) ** 0.9, axis=0)[::-1]
    behind = behind + (0.05 * layer.width - 0.03) * rng.uniform(0.3, 1, (n, 1))
    s = np.linspace(0, 1, SHORT_PIECES + 1)[None]
    along = np.clip(a + (0.10 + 0.10 * behind) * s, 0, 1)
    hx, hy, cx, cy = (_rim(rim, axis, along) for rim in (HAIRLINE, CROWN) for axis in (0, 1))
    length = rng.uniform(0.36, 0.55, (n, 1)) * (1 - 0.35 * behind)
    depth = np.clip(0.86 * behind + length * s**0.8, 0, 1.03 + 0.03 * rng.standard_normal((n, 1)))
    lock = np.floor(22 * a)
    x = AXIS + hx + (cx - hx) * depth + rng.normal(0, 1.6, (n, 1)) + 4 * np.sin(2.1 * lock) * s
    y = hy + (cy - hy) * depth + rng.normal(0, 1.6, (n, 1)) + 5 * s * s * np.sin(3.7 * lock)
    crest = 0.30 * np.exp(-(((depth[:, 1:] - 0.5) / 0.22) ** 2)) * (1.15 - 0.7 * a)
    light = 0.30 + crest + 0.08 * np.sin(5.3 * lock) + 0.12 * (s[:, 1:] - 0.55) + layer.lift
    return _strands(who, picture, x, y, light + layer.spread * rng.standard_normal((n, 1)), layer.width)


def _rim(knots: Knots, axis: int, along: Values) -> Array:
    places = np.linspace(0, 1, len(knots))
    return curve([(place, knot[axis]) for place, knot in zip(places, knots, strict=True)], along)


def _scalp(who: Likeness, picture: Array) -> Array:
    """Shade between short strands: dark above the hairline, fading out before the ears."""
    x, y = grid()
    dx = x - AXIS
    line = curve(HAIRLINE, dx) + 1.5 * np.sin(0.9 * dx) + 1.2 * np.sin(2.1 * dx)
    over = inside(y - line + 3, 8) * step(232, 200, y)
    side = inside(curve(SIDE_INNER, y) + 2 - np.abs(dx), 5) * step(176, 220, y) * step(352, 230, y)
    dark = np.clip(over + 0.9 * side, 0, 1) * head_mask(who, x, y)
    return np.concatenate([paint(picture[..., :3], who.hair[1][1], 0.85 * dark), picture[..., 3:]], axis=-1)


def _sides(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    """Hair cut short above the ears, thinning out downwards to the sideburns."""
    count = 5200
    side = rng.choice([-1.0, 1.0], (count, 1))
    drop = rng.uniform(0, 1, (count, 1)) ** 1.4
    top = 196 + 150 * drop
    inner = curve(SIDE_INNER, top) + rng.normal(0, 2.5, (count, 1))
    x = inner + (curve(SIDE_OUTER, top) - inner) * rng.uniform(0, 1, (count, 1)) ** 0.8
    s = np.linspace(0, 1, 4)[None]
    length = 15 - 9 * drop
    light = 0.2 + 0.1 * (side < 0) + 0.08 * rng.standard_normal((count, 1)) + 0 * s[:, 1:]
    return _strands(who, picture, AXIS + side * (x + 0.25 * length * s), top + length * s, light, 0.8, 0.7)
