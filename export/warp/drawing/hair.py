"""Hair: thousands of strands along guides, lit as one mass."""

from typing import Final

import numpy as np

from export.warp.drawing.head import head_mask
from export.warp.drawing.likeness import AXIS, Likeness
from export.warp.drawing.painting import Array, Knots, curve, grid, inside, paint, ramp, step, strands

PIECES: Final = 18
"""Straight pieces of a long strand."""


def paint_back(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    """Long hair behind neck and shoulders."""
    if not who.long_hair:
        return picture
    count = 2600
    u = rng.uniform(-1, 1, count)
    s = np.linspace(0, 1, PIECES + 1)[None]
    u = u[:, None]
    reach = 100 + 50 * np.sin(np.clip(s, 0, 1) * 2.1) + rng.normal(0, 6, (count, 1))
    x = AXIS + u * reach + 5 * np.sin(5 * s + 4 * u + rng.normal(0, 0.3, (count, 1))) * s
    y = 150 + s * (570 - 70 * u**2 + rng.normal(0, 14, (count, 1)))
    light = 0.20 + 0.10 * np.abs(u) + 0.05 * rng.standard_normal((count, 1)) + 0 * s[:, 1:]
    return strands(
        picture, np.stack([x, y], -1).astype(np.float32), ramp(who.hair, light.astype(np.float32)), 3.0
    )


def paint_front(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    if who.long_hair:
        return _long(who, picture, rng)
    return _short(who, picture, rng)


# Guides of long hair: strands next to the face and at the outside, as (way, x outwards, y).
INNER: Final = (
    (0, 0, 164),
    (0.12, 44, 178),
    (0.26, 100, 222),
    (0.40, 130, 282),
    (0.56, 139, 368),
    (0.74, 130, 462),
    (0.88, 112, 556),
    (1, 92, 640),
)
OUTER: Final = (
    (0, -8, 76),
    (0.10, 44, 80),
    (0.19, 90, 100),
    (0.28, 128, 138),
    (0.37, 154, 192),
    (0.47, 170, 262),
    (0.60, 180, 352),
    (0.75, 186, 458),
    (0.88, 184, 560),
    (1, 172, 652),
)


def _guide(knots: tuple[tuple[float, float, float], ...], s: Array) -> tuple[Array, Array]:
    return curve([(w, x) for w, x, _ in knots], s), curve([(w, y) for w, _, y in knots], s)


def _long(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    for side in (1, -1):
        for count, width, lift, spread in (
            (1500, 3.4, -0.16, 0.06),
            (1800, 1.6, 0.0, 0.1),
            (1300, 0.8, 0.1, 0.13),
        ):
            picture = _lock(who, picture, side, (count, width, lift, spread), rng)
    return picture


def _lock(
    who: Likeness, picture: Array, side: int, layer: tuple[int, float, float, float], rng: np.random.Generator
) -> Array:
    count, width, lift, spread = layer
    a = np.sort(rng.beta(1.0, 1.0, count))[rng.permutation(count)][:, None]
    s = np.linspace(0, 1, PIECES + 1)[None]
    reach = np.clip(s * rng.uniform(0.84, 1.0, (count, 1)) ** 0.8, 0, 1)
    (xi, yi), (xo, yo) = _guide(INNER, reach), _guide(OUTER, reach)
    x, y = xi + (xo - xi) * a, yi + (yo - yi) * a
    clump = np.floor(a * 16) * 1.7
    wave = (
        np.sin(11 * s + 0.35 * clump + 2 * side) * 13 * s**1.5 * (0.5 + 0.5 * a)
        + 3 * np.sin(17 * s + clump) * s
    )
    wave = wave + rng.normal(0, 1, (count, 1)) * (0.5 + s * s * 4.5 / (1 + width))
    part = who.parting * (1 - s) ** 2.5
    px = AXIS + part + side * (x + wave)
    py = y + rng.normal(0, 1.5, (count, 1)) + 0.3 * wave
    middle = (s[:, 1:] + s[:, :-1]) / 2
    shine = 0.42 * np.exp(-(((middle - 0.25 - 0.06 * a) / 0.075) ** 2)) + 0.3 * np.exp(
        -(((middle - 0.66 - 0.05 * np.sin(clump)) / 0.12) ** 2)
    )
    volume = 0.28 + 0.24 * np.sin(np.pi * np.clip(0.1 + 0.85 * a, 0, 1)) - 0.1 * (side > 0)
    tuft = 0.07 * np.sin(clump * 5.1) + 0.05 * np.sin(a * 160)
    light = (
        volume + shine * (1.0 if side < 0 else 0.72) + tuft + lift + spread * rng.standard_normal((count, 1))
    )
    light = light - 0.12 * middle - 0.2 * np.exp(-a / 0.07) * (middle > 0.3)
    return strands(
        picture, np.stack([px, py], -1).astype(np.float32), ramp(who.hair, light.astype(np.float32)), width
    )


def _short(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    picture = _scalp(who, picture)
    picture = _sides(who, picture, rng)
    for count, width, lift, spread in (
        (1700, 3.2, -0.18, 0.05),
        (2000, 1.6, 0.0, 0.1),
        (1500, 0.9, 0.1, 0.14),
    ):
        picture = _top(who, picture, (count, width, lift, spread), rng)
    return picture


HAIRLINE: Final = (
    (-132, 262),
    (-124, 222),
    (-96, 198),
    (-50, 188),
    (0, 184),
    (50, 187),
    (96, 197),
    (124, 222),
    (132, 262),
)
CROWN: Final = (
    (-141, 240),
    (-136, 172),
    (-104, 114),
    (-50, 82),
    (0, 74),
    (56, 80),
    (106, 108),
    (137, 168),
    (141, 240),
)


def _top(
    who: Likeness, picture: Array, layer: tuple[int, float, float, float], rng: np.random.Generator
) -> Array:
    """Hair combed up and to one side; a: where along the hairline, d: how far behind it."""
    count, width, lift, spread = layer
    a = rng.uniform(0, 1, (count, 1))
    d = rng.uniform(0, 1, (count, 1)) ** 0.9
    d = -np.sort(-d, axis=0) + (0.05 * width - 0.03) * rng.uniform(0.3, 1, (count, 1))
    s = np.linspace(0, 1, 11)[None]
    along = np.clip(a + 0.0 * s, 0, 1)
    sweep = np.clip(along + (0.10 + 0.10 * d) * s, 0, 1)
    (hx, hy), (cx, cy) = (_rim(HAIRLINE, sweep), _rim(CROWN, sweep))
    length = rng.uniform(0.36, 0.55, (count, 1)) * (1 - 0.35 * d)
    depth = np.clip(d * 0.86 + length * s**0.8, 0, 1.03 + 0.03 * rng.standard_normal((count, 1)))
    clump = np.floor(a * 22)
    px = AXIS + hx + (cx - hx) * depth + rng.normal(0, 1.6, (count, 1)) + 4 * np.sin(clump * 2.1) * s
    py = hy + (cy - hy) * depth + rng.normal(0, 1.6, (count, 1)) + 5 * s * s * np.sin(clump * 3.7)
    middle = (s[:, 1:] + s[:, :-1]) / 2
    light = 0.30 + 0.30 * np.exp(-(((depth[:, 1:] - 0.5) / 0.22) ** 2)) * (1.15 - 0.7 * a)
    light = (
        light
        + 0.08 * np.sin(clump * 5.3)
        + 0.12 * (middle - 0.5)
        + lift
        + spread * rng.standard_normal((count, 1))
    )
    light = light + 0.06 * np.exp(-d / 0.05) * (1 - middle)
    return strands(
        picture, np.stack([px, py], -1).astype(np.float32), ramp(who.hair, light.astype(np.float32)), width
    )


def _scalp(who: Likeness, picture: Array) -> Array:
    """What shows between the strands: dark above the hairline, fading out before the ears."""
    x, y = grid()
    dx = np.abs(x - AXIS)
    line = curve([(max(0.0, x), y) for x, y in HAIRLINE[4:]], dx)
    over = inside(y - line - 2, 7) * step(232, 200, y)
    side = inside(curve(SIDE_INNER, y) + 2 - dx, 5) * inside(dx - curve(SIDE_OUTER, y), 2) * step(176, 220, y)
    dark = np.clip(over + side * step(356, 230, y) * 0.9, 0, 1) * head_mask(who, x, y)
    return np.concatenate([paint(picture[..., :3], who.hair[1][1], 0.85 * dark), picture[..., 3:]], axis=-1)


def _rim(knots: Knots, along: Array) -> tuple[Array, Array]:
    places = np.linspace(0, 1, len(knots))
    return (
        curve([(p, x) for p, (x, _) in zip(places, knots, strict=True)], along),
        curve([(p, y) for p, (_, y) in zip(places, knots, strict=True)], along),
    )


SIDE_OUTER: Final = ((190, 138), (230, 147), (270, 148), (310, 146), (360, 143))
SIDE_INNER: Final = ((190, 84), (230, 110), (258, 121), (290, 122), (318, 130), (360, 142))


def _sides(who: Likeness, picture: Array, rng: np.random.Generator) -> Array:
    """Hair cut short above the ears, thinning out downwards to the sideburns."""
    count = 5200
    side = rng.choice([-1.0, 1.0], (count, 1))
    drop = rng.uniform(0, 1, (count, 1)) ** 1.4
    y = 196 + 150 * drop
    outer = curve(SIDE_OUTER, y.astype(np.float32))
    inner = curve(SIDE_INNER, y.astype(np.float32))
    inner = inner + rng.normal(0, 2.5, (count, 1))
    x = inner + (outer - inner) * rng.uniform(0, 1, (count, 1)) ** 0.8
    s = np.linspace(0, 1, 4)[None]
    length = 15 - 9 * drop
    px = AXIS + side * (x + length * s * 0.25)
    py = y + length * s
    light = 0.2 + 0.1 * (side < 0) + 0.08 * rng.standard_normal((count, 1)) + 0 * s[:, 1:]
    return strands(
        picture, np.stack([px, py], -1).astype(np.float32), ramp(who.hair, light.astype(np.float32)), 0.8, 0.7
    )
