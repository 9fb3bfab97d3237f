"""The bundled portraits, drawn by numbers: ``ada`` and ``alan``."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from export.warp.drawing.clothes import paint_clothes
from export.warp.drawing.features import paint_brows, paint_eyes, paint_lips
from export.warp.drawing.hair import paint_back, paint_front
from export.warp.drawing.head import paint_ears, paint_head, paint_neck
from export.warp.drawing.likeness import ADA, ALAN, Likeness
from export.warp.drawing.painting import Array, blur, bump, finish, grid, noise, ramp, shade

PORTRAITS: Final = {"ada": ADA, "alan": ALAN}

ROUNDING: Final = 2
"""Difference of a value of 0..255 that rounding makes."""


def write_portraits(folder: Path) -> list[Path]:
    """Write ``ada.png`` and ``alan.png``, 768 x 768 RGB; returns their paths.

    Pictures that are there stay where they differ by no more than processors round differently.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {folder / f"{name}.png": who for name, who in PORTRAITS.items()}
    for path, who in paths.items():
        picture = draw(who)
        if not _is_there(picture, path):
            picture.save(path, optimize=True)
    return list(paths)


def _is_there(picture: Image.Image, path: Path) -> bool:
    if not path.is_file():
        return False
    drawn, there = np.asarray(picture, np.int16), np.asarray(Image.open(path).convert("RGB"), np.int16)
    return drawn.shape == there.shape and int(np.abs(drawn - there).max()) <= ROUNDING


def draw(who: Likeness) -> Image.Image:
    rng = np.random.default_rng(who.seed)
    x, y = grid()
    background = _background(who, x, y, rng)
    picture = paint_back(who, background, rng)
    picture = paint_neck(who, picture, x, y, rng)
    picture = paint_clothes(who, picture, x, y, rng)
    picture = paint_ears(who, picture, x, y, rng)
    picture = paint_head(who, picture, x, y, rng)
    picture = paint_lips(who, picture, x, y, rng)
    picture = paint_eyes(who, picture, x, y, rng)
    picture = paint_brows(who, picture, x, y, rng)
    body = (np.abs(picture - background).max(axis=-1) > 1).astype(np.float32)
    return finish(_with_hair(who, picture, body, rng))


def _with_hair(who: Likeness, picture: Array, body: Array, rng: np.random.Generator) -> Array:
    """Hair in front, and the soft shadow that it throws down and to the right on the body."""
    bare = np.concatenate([picture, np.zeros_like(picture[..., :1])], axis=-1)
    haired = paint_front(who, bare, rng)
    cover = haired[..., 3] / 255
    shadow = np.roll(blur(cover, 7), (14, 8), axis=(0, 1))
    darker = shade(picture, (120, 70, 62), 0.7 * shadow * body)
    return haired[..., :3] + (darker - picture) * (1 - cover)[..., None]


def _background(who: Likeness, x: Array, y: Array, rng: np.random.Generator) -> Array:
    light, dark = who.background
    level = bump(x, y, (300, 240), (330, 360)) + 0.04 * noise(rng, (150, 150))
    return ramp(((0.0, dark), (1.0, light)), level)
