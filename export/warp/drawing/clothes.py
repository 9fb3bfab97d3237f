"""Shoulders in a soft knitted top."""

import numpy as np

from export.warp.drawing.head import lit
from export.warp.drawing.likeness import AXIS, Likeness
from export.warp.drawing.painting import (
    Array,
    blur,
    bump,
    curve,
    inside,
    noise,
    paint,
    ramp,
    shade,
    step,
    tint,
)


def paint_clothes(who: Likeness, picture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    dx = np.abs(x - AXIS)
    shoulder, collar = curve(who.shoulders, dx), curve(who.neckline, dx)
    top = np.where(dx < who.neckline[-1][0], collar, shoulder)
    depth = y - blur(top.astype(np.float32), 1.5)
    mask = blur(inside(-depth), 0.6)
    end = who.neckline[-1][0]
    on_neck = blur(mask, 5) * (1 - mask) * step(end + 4, end - 10, dx)
    picture = shade(picture, (110, 80, 76), 0.7 * on_neck)
    picture = paint(picture, _knit(who, x, y, shoulder, depth, rng), mask)
    near_collar = step(end + 12, end - 4, dx)
    band = mask * step(17, 15.6, depth) * near_collar
    ribs = 0.5 + 0.5 * np.sin((x - AXIS) * 1.3)
    picture = shade(picture, (150, 150, 156), 0.30 * band * ribs)
    edge = np.exp(-(((depth - 16.5) / 1.6) ** 2)) * near_collar
    return shade(picture, (90, 90, 100), 0.6 * edge * mask)


def _knit(
    who: Likeness, x: Array, y: Array, shoulder: Array, depth: Array, rng: np.random.Generator
) -> Array:
    dx = x - AXIS
    relief = 110 * np.sqrt(np.clip(1 - np.clip(np.abs(dx) / 380, 0, 1) ** 2, 0.01, 1))
    relief = relief + 52 * (1 - np.exp(-np.clip(y - shoulder, 0, None) / 34))
    folds = noise(rng, (60, 130)) * 2.2 + 5 * bump(np.abs(dx), y, (190, 760), (16, 60), 0.45)
    light = lit(blur(relief + folds, 2), occlusion=0.7)
    stitches = 0.010 * np.sin(1.25 * y + 2.6 * np.abs(np.sin(0.42 * x))) + 0.010 * noise(rng, (3, 3))
    stops = ((0.1, tint(who.cloth, 0.22)), (0.55, who.cloth), (1.0, tint(who.cloth, 1.5, 46)))
    return ramp(stops, light + stitches)
