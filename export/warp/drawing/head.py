"""Head and neck: a height field under two soft lights, painted in skin tones."""

from typing import Final

import numpy as np

from export.warp.drawing.likeness import AXIS, Likeness
from export.warp.drawing.painting import (
    Array,
    blur,
    bump,
    curve,
    half_width,
    inside,
    noise,
    normals,
    paint,
    ramp,
    shade,
    step,
)

KEY_LIGHT: Final = (-0.46, -0.52, 0.72)
FILL_LIGHT: Final = (0.72, -0.12, 0.68)
"""Directions towards the lights: from the upper left, and weaker from the right."""

MIDLINE: Final = (
    *((112, 60), (150, 110), (200, 141), (250, 151), (300, 154), (335, 148), (400, 150)),
    *((442, 156), (472, 157), (501, 150), (530, 152), (548, 146), (566, 130)),
)
"""Depth of the face along its middle, without the nose."""


def head_mask(who: Likeness, x: Array, y: Array) -> Array:
    half = half_width(who.outline, y)
    return blur(inside(np.abs(x - AXIS) - half) * step(0.1, 2, half), 0.5)


def lit(relief: Array, *, occlusion: float = 1.0) -> Array:
    """Brightness in [0, 1] of a height field: half-Lambert lights, hollows darker."""
    nx, ny, nz = normals(relief)
    key, fill = (
        np.clip((nx * lx + ny * ly + nz * lz) / np.sqrt(lx * lx + ly * ly + lz * lz) * 0.5 + 0.5, 0, 1)
        for lx, ly, lz in (KEY_LIGHT, FILL_LIGHT)
    )
    hollow = np.clip((blur(relief, 9) - relief) / 9, -0.6, 1) * occlusion
    return np.asarray(0.72 * key**1.7 + 0.22 * fill**2 + 0.06 - 0.16 * hollow, np.float32)


def face_relief(who: Likeness, x: Array, y: Array) -> Array:
    """Height of skull, features and flesh in pixels."""
    dx = x - AXIS
    half = np.maximum(half_width(who.outline, y), 1)
    across = np.clip(np.abs(dx) / half, 0, 1)
    skull = curve(MIDLINE, y) * np.sqrt(1 - 0.9 * across**2.1)
    return blur(skull + _bones(who, dx, y) + _nose(who, dx, y) + _mouth(who, dx, y), 1.2)


def _pair(
    dx: Array, y: Array, centre: tuple[float, float], spread: tuple[float, float], turn: float = 0
) -> Array:
    return bump(dx, y, centre, spread, turn) + bump(-dx, y, centre, spread, turn)


def _bones(who: Likeness, dx: Array, y: Array) -> Array:
    eye = who.eyes
    brow_ridge = 5 * _pair(dx, y, (58, 302), (40, 13), 0.05)
    sockets = -13 * _pair(dx, y, (eye.apart, eye.y - 6), (36, 19)) - 9 * _pair(
        dx, y, (28, eye.y - 6), (11, 15)
    )
    balls = 10 * _pair(dx, y, (eye.apart, eye.y - 2), (25, 14))
    bags = -2.2 * _pair(dx, y, (eye.apart - 6, eye.y + 23), (24, 6), 0.1)
    cheeks = 9 * _pair(dx, y, (86, 398), (34, 26), -0.4) - 4 * _pair(dx, y, (104, 448), (22, 34))
    temples = -5 * _pair(dx, y, (128, 290), (16, 34))
    return np.asarray(brow_ridge + sockets + balls + bags + cheeks + temples, np.float32)


def _nose(who: Likeness, dx: Array, y: Array) -> Array:
    w = who.nose_width
    height = curve(
        (
            (282, 0),
            (304, 2),
            (326, 8),
            (348, 16),
            (384, 29),
            (406, 37),
            (416, 37),
            (428, 20),
            (438, 4),
            (444, 0),
        ),
        y,
    )
    width = curve(((300, 22), (335, 12), (368, 13), (402, 17), (422, 18), (442, 20)), y) * w
    ridge = height * np.exp(-(np.abs(dx / width) ** 2.2) / 1.6)
    tip = 7 * bump(dx, y, (0, 411), (11 * w, 10))
    wings = 14 * _pair(dx, y, (23 * w, 422), (9, 10), 0.3)
    nostrils = -9 * _pair(dx, y, (12 * w, 430), (6, 3), -0.25)
    return np.asarray(ridge + tip + wings + nostrils, np.float32)


def _mouth(who: Likeness, dx: Array, y: Array) -> Array:
    lips, side = who.lips, np.abs(dx) / who.lips.half_width
    line = lips.y + curve(lips.line, side)
    fade = step(1.08, 0.8, side)
    muzzle = 7 * bump(dx, y, (0, lips.y - 2), (46, 30))
    philtrum = 2.2 * _pair(dx, y, (7, 448), (3.2, 8)) - 1.6 * bump(dx, y, (0, 447), (3.6, 8))
    upper = 3.4 * fade * np.exp(-(((y - lips.y - 0.8 * curve(lips.upper, side)) / 4.5) ** 2))
    lower = 8 * step(1.02, 0.35, side) * np.exp(-(((y - line - 8.5) / 6.5) ** 2))
    seam = -5 * fade * np.exp(-(((y - line) / 1.8) ** 2))
    corners = -4 * _pair(dx, y, (lips.half_width + 4, lips.y), (6, 7))
    chin = 8 * bump(dx, y, (0, lips.y + 58), (24, 15)) - 6 * bump(dx, y, (0, lips.y + 27), (28, 7))
    folds = -1.6 * _pair(dx, y, (56, 446), (8, 24), -0.45)
    return np.asarray(muzzle + philtrum + upper + lower + seam + corners + chin + folds, np.float32)


def paint_skin(who: Likeness, base: Array, relief: Array, mask: Array, rng: np.random.Generator) -> Array:
    """Skin over ``base`` where ``mask`` is 1, lit by its relief, with pores."""
    light = lit(relief) + 0.007 * noise(rng, (3, 3)) + 0.008 * noise(rng, (40, 40))
    nx, ny, nz = normals(blur(relief, 1.5))
    gleam = np.clip(-0.34 * nx - 0.42 * ny + 0.84 * nz, 0, 1) ** 26
    return paint(base, ramp(who.skin, light + 0.09 * gleam), mask)


def paint_head(who: Likeness, base: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """The bald head with everything but eyes, brows and lips."""
    mask = head_mask(who, x, y)
    picture = paint_skin(who, base, face_relief(who, x, y), mask, rng)
    return _tint(who, picture, x - AXIS, y, mask)


def _tint(who: Likeness, picture: Array, dx: Array, y: Array, mask: Array) -> Array:
    """Blood under the skin: cheeks, nose, chin, lids; and the shadow of a shaved beard."""
    w = who.nose_width
    rosy = 0.34 * _pair(dx, y, (88, 412), (34, 26), -0.3) + 0.22 * bump(dx, y, (0, 412), (20, 15))
    rosy += 0.1 * bump(dx, y, (0, 534), (26, 16)) + 0.16 * _pair(dx, y, (62, 322), (34, 10))
    picture = shade(picture, (255, 176, 164), who.blush * rosy * mask)
    picture = shade(picture, (150, 104, 100), 0.42 * step(30, 150, dx) * mask)
    around = (
        bump(dx, y, (0, 500), (92, 40))
        * (1 - bump(dx, y, (0, 444), (28, 26)) * 0.2)
        * step(446, 486, y + np.abs(dx) * 0.25)
    )
    picture = shade(picture, (150, 140, 140), who.stubble * around * mask)
    nostril = _pair(dx, y, (12.5 * w, 429.5), (5.4 * w, 2.3), -0.28)
    picture = shade(picture, (84, 32, 28), np.clip(1.25 * nostril, 0, 0.95) * mask)
    wing = _pair(dx, y, (33.5 * w, 426), (2.6, 7), -0.3)
    return shade(picture, (176, 110, 96), (0.4 * wing + 0.5 * bump(dx, y, (2, 441), (20, 5))) * mask)


def paint_neck(who: Likeness, base: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    dx = x - AXIS
    half = curve(who.neck, y)
    across = np.clip(np.abs(dx) / half, 0, 1)
    relief = 62 * np.sqrt(np.clip(1 - across**2.4, 0.0004, 1))
    relief = relief + 5 * _pair(dx, y, (40, 610), (9, 60), 0.28) - 6 * bump(dx, y, (0, 640), (14, 18))
    mask = inside(np.abs(dx) - half) * step(470, 474, y)
    picture = paint_skin(who, base, blur(relief, 1.5), mask, rng)
    below = blur(head_mask(who, x, y - 26), 12)
    return shade(picture, (150, 92, 84), np.clip(below * 1.15, 0, 1) * mask * 0.9)


def paint_ears(who: Likeness, base: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Both ears, half hidden behind the head."""
    picture = base
    for side in (-1, 1):
        u, v = (x - AXIS) * side - 147, y - np.float32(366)
        u, v = u * 0.97 + v * 0.2, v * 0.98 - u * 0.2
        r = np.hypot(u / (20 - 6 * step(-5, 46, v)), v / 50).astype(np.float32)
        rim = (
            7 * np.exp(-(((r - 0.82) / 0.14) ** 2))
            - 8 * bump(u, v, (0, 4), (6, 15))
            + 4 * bump(u, v, (4, -12), (3, 16), 0.2)
        )
        relief = blur(16 * np.sqrt(np.clip(1 - r * r, 0, 1)) + rim, 1.2)
        mask = inside((r - 1) * 15, 1.0)
        skin = paint_skin(who, picture, relief, mask, rng)
        picture = shade(skin, (196, 122, 108), mask * (0.3 + 0.65 * bump(u, v, (-2, 2), (6, 15))))
    return picture
