"""Eyes, brows and lips."""

import numpy as np

from export.warp.drawing.likeness import AXIS, Likeness
from export.warp.drawing.painting import (
    Array,
    Colour,
    bump,
    curve,
    inside,
    noise,
    paint,
    ramp,
    shade,
    step,
    strands,
    tint,
    window,
)


def paint_eyes(who: Likeness, picture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    for side in (-1, 1):
        picture = _eye(who, picture, x, y, side, rng)
    return picture


def _eye(who: Likeness, picture: Array, x: Array, y: Array, side: int, rng: np.random.Generator) -> Array:
    eye = who.eyes
    part = window((AXIS + side * eye.apart, eye.y), (70, 50))
    result = picture.copy()
    result[part] = _open_eye(
        who, picture[part], (x[part] - AXIS) * side - eye.apart, y[part] - eye.y, side, rng
    )
    return _lashes(who, result, side, rng)


def _open_eye(
    who: Likeness, picture: Array, u: Array, v: Array, side: int, rng: np.random.Generator
) -> Array:
    """u, v: pixels outwards of the eye's middle and below it."""
    eye = who.eyes
    t = u / eye.half_width
    v = v + eye.tilt * t
    upper, lower = curve(eye.upper, t), curve(eye.lower, t)
    opening = inside(upper - v, 0.6) * inside(v - lower, 0.6) * inside(np.abs(t) - 1, 0.02)
    picture = _lids(who, picture, t, v, upper, lower)
    picture = _eyeball(who, picture, u * side, v, t, opening, rng)
    under_lid = np.exp(-np.clip(v - upper, 0, None) / 4.2)
    picture = shade(picture, (70, 46, 48), opening * under_lid * 0.85)
    rim = np.exp(-(((v - lower - 0.6) / 1.2) ** 2)) * step(1, 0.8, np.abs(t))
    return paint(picture, (222, 158, 146), rim * 0.55)


def _lids(who: Likeness, picture: Array, t: Array, v: Array, upper: Array, lower: Array) -> Array:
    eye = who.eyes
    near = step(1.25, 0.7, np.abs(t))
    crease = upper * 1.04 - eye.crease * step(1.35, 0.2, np.abs(t - 0.1))
    line = np.exp(-(((v - crease) / 1.3) ** 2)) * near
    soft = np.exp(-(((v - crease + 1.5) / 4.5) ** 2)) * near
    picture = shade(picture, (112, 58, 52), 0.62 * line + 0.34 * soft)
    above = step(-30, -6, v - upper) * step(2, -1, v - upper) * step(1.6, 0.5, np.abs(t - 0.15))
    picture = shade(picture, (136, 84, 84), eye.shadow * above)
    below = np.exp(-(((v - lower - 3) / 3) ** 2)) * step(1.1, 0.6, np.abs(t))
    return shade(picture, (170, 110, 104), 0.3 * below)


def _eyeball(
    who: Likeness, picture: Array, u: Array, v: Array, t: Array, opening: Array, rng: np.random.Generator
) -> Array:
    """u: pixels right of the eye's middle, v: below it."""
    eye = who.eyes
    r_iris = eye.iris_radius
    white = ramp(
        ((0.0, (168, 138, 130)), (0.5, (220, 206, 198)), (1.0, (244, 238, 232))), 1 - np.abs(t) ** 2.2
    )
    picture = paint(picture, white, opening)
    caruncle = bump(t, v, (-0.97, 0.5), (0.09, 3))
    picture = paint(picture, (206, 128, 120), opening * np.clip(1.2 * caruncle, 0, 1))
    v = v + 1.8
    r, angle = np.hypot(u, v), np.arctan2(v, u)
    picture = shade(picture, (120, 100, 100), opening * np.exp(-(((r - r_iris) / 2) ** 2)) * 0.5)
    picture = paint(
        picture, _iris(eye.iris, r / r_iris, angle, v / r_iris, rng), opening * inside(r - r_iris, 1.0)
    )
    picture = paint(picture, (10, 8, 9), opening * inside(r - 0.43 * r_iris, 0.9))
    glow = bump(u, v, (0.34 * r_iris, 0.48 * r_iris), (3.4, 2.6))
    picture = paint(picture, (255, 250, 240), opening * 0.22 * glow)
    light = inside(np.hypot((u + 0.36 * r_iris) / 1.0, (v + 0.40 * r_iris) / 1.15) - 3.7, 0.8)
    spark = inside(np.hypot(u - 0.40 * r_iris, v - 0.42 * r_iris) - 1.2, 0.8)
    return paint(picture, (255, 255, 255), opening * np.clip(0.96 * light + 0.5 * spark, 0, 1))


def _iris(colour: Colour, r: Array, angle: Array, height: Array, rng: np.random.Generator) -> Array:
    """r: 0 in the middle, 1 at the rim."""
    turns = np.arange(7, 60, 4)
    waves = zip(turns, rng.uniform(0, 2 * np.pi, len(turns)), strict=True)
    fibres = sum((np.sin(n * angle + p + 2.2 * r) for n, p in waves), np.zeros_like(r)) / len(turns) ** 0.5
    light = 0.52 + 0.12 * fibres + 0.30 * height + 0.22 * np.exp(-(((r - 0.55) / 0.18) ** 2))
    light = light * step(1.04, 0.78, r) * 0.85 + 0.08
    stops = ((0.0, tint(colour, 0.18)), (0.5, colour), (1.0, tint(colour, 1.55, 26)))
    return ramp(stops, light)


def _lashes(who: Likeness, picture: Array, side: int, rng: np.random.Generator) -> Array:
    eye = who.eyes
    t = np.linspace(-0.97, 1.0, 90).astype(np.float32)
    lid = _on_face(who, side, t, curve(eye.upper, t))
    ink = tuple(0.35 * c for c in who.brows.colour)
    tints = np.broadcast_to(np.array(ink), (1, len(t) - 1, 3))
    for lift in np.linspace(-0.6, 0.8 * eye.lash_width, 4):
        picture = strands(picture, (lid - (0, lift))[None], tints, 1.3, 0.75, 3)
    roots = np.concatenate([rng.uniform(-0.75, 1.0, 70), rng.uniform(0.3, 1.02, 40)]).astype(np.float32)
    length = eye.lash_length * np.clip(0.5 + 0.5 * roots, 0.35, 1) * rng.uniform(0.75, 1.1, len(roots))
    picture = _fan(who, picture, side, roots, curve(eye.upper, roots), -length, eye.lash_width * 0.6, 0.75)
    roots = rng.uniform(-0.3, 0.95, 26).astype(np.float32)
    length = 0.3 * eye.lash_length * rng.uniform(0.7, 1.1, len(roots))
    return _fan(who, picture, side, roots, curve(eye.lower, roots) + 0.4, length, 0.5, 0.4)


def _on_face(who: Likeness, side: int, t: Array, v: Array) -> Array:
    """Points of an eye -> pixels of the picture, [N, 2]."""
    eye = who.eyes
    return np.stack([AXIS + side * (eye.apart + t * eye.half_width), eye.y + v - eye.tilt * t], axis=-1)


def _fan(
    who: Likeness, picture: Array, side: int, t: Array, v: Array, length: Array, width: float, opacity: float
) -> Array:
    """Lashes that leave the lid outwards and bend away from the eye."""
    roots = _on_face(who, side, t, v)
    s = np.linspace(0, 1, 6)[None]
    out = side * (0.12 + 0.75 * np.clip(t, -0.4, 1))[:, None]
    x = roots[:, :1] + out * np.abs(length)[:, None] * s
    y = roots[:, 1:] + length[:, None] * (0.35 * s + 0.65 * s * s)
    ink = np.array([0.35 * c for c in who.brows.colour])
    tints = np.broadcast_to(ink, (len(t), 5, 3))
    return strands(picture, np.stack([x, y], axis=-1), tints, width, opacity, 3)


def paint_brows(who: Likeness, picture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    brows = who.brows
    part = window((AXIS, brows.line[2][1]), (150, 40))
    reach, v = np.abs(x[part] - AXIS), y[part]
    half = curve(brows.half_thickness, reach)
    middle = curve(brows.line, reach)
    ends = step(brows.line[0][0] - 4, brows.line[0][0] + 12, reach) * step(
        brows.line[-1][0] + 1, brows.line[-1][0] - 8, reach
    )
    soft = np.exp(-(((v - middle) / (half + 1.2)) ** 2) * 0.9) * ends
    picture = picture.copy()
    picture[part] = shade(picture[part], brows.colour, 0.55 * brows.density * soft)
    for side in (-1, 1):
        picture = _brow_hairs(who, picture, side, rng)
    return picture


def _brow_hairs(who: Likeness, picture: Array, side: int, rng: np.random.Generator) -> Array:
    brows = who.brows
    start, end = brows.line[0][0], brows.line[-1][0]
    count = 460
    a = rng.uniform(start - 1, end - 5, count)
    off = rng.uniform(-1, 1, count)
    along = (a - start) / (end - start)
    root_y = curve(brows.line, a) + off * curve(brows.half_thickness, a)
    slope = (curve(brows.line, a + 3) - curve(brows.line, a - 3)) / 6
    lean = np.arctan(slope) - (1 - along) ** 2 * 1.15 - 0.22 + 0.35 * (off < 0) * along
    lean = lean + rng.normal(0, 0.13, count)
    length = rng.uniform(8, 13, count) * (1 - 0.35 * along)
    s = np.linspace(0, 1, 5)[None]
    turn = lean[:, None] + 0.5 * s * (1 - along[:, None])
    px = AXIS + side * (a[:, None] + length[:, None] * s * np.cos(turn))
    py = root_y[:, None] + length[:, None] * s * np.sin(turn)
    tints = np.array(brows.colour) * rng.uniform(0.6, 1.25, (count, 1, 1))
    return strands(
        picture, np.stack([px, py], axis=-1), np.broadcast_to(tints, (count, 4, 3)), 0.55, brows.density, 3
    )


def paint_lips(who: Likeness, picture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    part = window((AXIS, who.lips.y), (120, 70))
    result = picture.copy()
    grooves = noise(rng, (2.2, 26))[part] * 0.05
    result[part] = _lips(who, picture[part], x[part] - AXIS, y[part] - who.lips.y, grooves)
    return result


def _lips(who: Likeness, picture: Array, dx: Array, v: Array, grooves: Array) -> Array:
    lips = who.lips
    side = np.abs(dx) / lips.half_width
    upper, line, lower = (curve(k, side) for k in (lips.upper, lips.line, lips.lower))
    mask = inside(upper - v, 1.6) * inside(v - lower, 1.8) * step(1.01, 0.96, side)
    below = step(-0.5, 0.5, v - line)
    picture = shade(picture, lips.colour, lips.strength * mask * (1 - 0.12 * below + grooves))
    picture = shade(picture, (150, 84, 84), mask * (1 - below) * 0.34)
    gleam = bump(dx, v, (-9, 8.5), (17, 2.6)) + 0.5 * bump(dx, v, (12, 9.5), (10, 2))
    picture = paint(
        picture, (255, 226, 220), np.clip(gleam * (0.34 + 1.6 * grooves), 0, 1) * mask * below * lips.strength
    )
    seam = np.exp(-(((v - line) / 1.15) ** 2)) * step(1.03, 0.9, side)
    soft = np.exp(-(((v - line) / 3.2) ** 2)) * step(1.1, 0.8, side)
    picture = shade(picture, (62, 22, 24), 0.85 * seam + 0.25 * soft)
    return shade(picture, (160, 104, 94), 0.5 * bump(dx, v, (0, 25), (26, 5)))
