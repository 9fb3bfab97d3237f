"""Painting with numbers: soft masks, shaded relief, noise and strands on a supersampled canvas.

Coordinates are pixels of the finished picture, x right and y down; arrays are float32 [n, n] with
n = ``SIDE * SUPER``, colours float32 [n, n, 3] in [0, 255], masks in [0, 1].
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float32]
Colour = tuple[float, float, float]
Knots = Sequence[tuple[float, float]]

SIDE: Final = 768
"""Side of a finished portrait in pixels."""

SUPER: Final = 2
"""Canvas pixels along one pixel of the finished picture."""


def grid() -> tuple[Array, Array]:
    """x and y of every canvas pixel's centre."""
    axis = (np.arange(SIDE * SUPER, dtype=np.float32) + 0.5) / SUPER
    x, y = np.meshgrid(axis, axis)
    return x, y


def window(centre: tuple[float, float], reach: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns of the canvas around a point: small things need not be painted everywhere."""
    (x, y), (right, down) = centre, reach
    rows, columns = ((round((c - r) * SUPER), round((c + r) * SUPER)) for c, r in ((y, down), (x, right)))
    return slice(*rows), slice(*columns)


def step(low: float, high: float, value: Array) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between; falling if ``high`` is the smaller."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def inside(distance: Array, softness: float = 0.7) -> Array:
    """Mask of where a signed distance in pixels is negative."""
    return step(softness, -softness, distance)


def bump(
    x: Array, y: Array, centre: tuple[float, float], spread: tuple[float, float], turn: float = 0.0
) -> Array:
    """A Gaussian hill of height 1; ``spread``: standard deviations along its axes, ``turn``: radians."""
    dx, dy = x - centre[0], y - centre[1]
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    u, v = (dx * cos + dy * sin) / spread[0], (dy * cos - dx * sin) / spread[1]
    return np.asarray(np.exp(-(u * u + v * v) / 2), np.float32)


def curve(knots: Knots, at: NDArray[np.floating[Any]]) -> Array:
    """A smooth curve through knots (position, value), constant beyond them."""
    p, v = np.array(knots, np.float64).T
    slope = np.gradient(v, p)
    where = np.clip(np.asarray(at, np.float64), p[0], p[-1])
    i = np.clip(np.searchsorted(p, where, side="right") - 1, 0, len(p) - 2)
    h = p[i + 1] - p[i]
    t = (where - p[i]) / h
    start = v[i] + t * t * (3 - 2 * t) * (v[i + 1] - v[i])
    bend = t * (1 - t) ** 2 * h * slope[i] - t * t * (1 - t) * h * slope[i + 1]
    return np.asarray(start + bend, np.float32)


def half_width(outline: Knots, y: Array) -> Array:
    """Half the width at every y of a shape with a round outline through knots (y, half width)."""
    heights, widths = np.array(outline, np.float64).T
    way = np.concatenate([[0], np.cumsum(np.hypot(np.diff(heights), np.diff(widths)))])
    dense = np.linspace(0, way[-1], 2000).astype(np.float32)
    along = curve(list(zip(way, heights, strict=True)), dense)
    half = curve(list(zip(way, widths, strict=True)), dense)
    return np.interp(y[:, :1], np.maximum.accumulate(along), half).astype(np.float32) + np.zeros_like(y)


def blur(values: Array, sigma: float) -> Array:
    """Close to a Gaussian blur: three box blurs along each axis; ``sigma`` in finished pixels.

    Wide blurs are made on a smaller canvas.
    """
    small = max(1, int(sigma * SUPER / 3))
    picture = Image.fromarray(values)
    reach = max(1, round(sigma * SUPER / small - 0.5))
    coarse = np.asarray(picture.reduce(small), np.float32)
    for _ in range(2):
        for _ in range(3):
            coarse = _box(coarse, reach)
        coarse = np.ascontiguousarray(coarse.T)
    if small == 1:
        return coarse
    return np.array(Image.fromarray(coarse).resize(picture.size, Image.Resampling.BICUBIC))


def _box(values: Array, reach: int) -> Array:
    """Mean over 2 * reach + 1 neighbours in a column."""
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    n = len(values)
    total = padded[:n].copy()
    for i in range(1, 2 * reach + 1):
        total += padded[i : i + n]
    return total / np.float32(2 * reach + 1)


def noise(rng: np.random.Generator, spacing: tuple[float, float]) -> Array:
    """Smooth noise around 0 with standard deviation 1 and features of ``spacing`` (x, y) pixels."""
    n = SIDE * SUPER
    cells = [max(2, round(SIDE / s)) for s in spacing]
    coarse = rng.standard_normal((cells[1], cells[0])).astype(np.float32)
    image = Image.fromarray(coarse).resize((n, n), Image.Resampling.BICUBIC)
    values = np.asarray(image, np.float32)
    return np.asarray((values - values.mean()) / values.std(), np.float32)


def normals(relief: Array) -> tuple[Array, Array, Array]:
    """Unit normals of a height field given in pixels; z towards the viewer."""
    down, right = np.gradient(relief, 1.0 / SUPER)
    length = np.sqrt(right * right + down * down + 1)
    return -right / length, -down / length, 1 / length


def ramp(stops: Sequence[tuple[float, Colour]], value: Array) -> Array:
    """Colours along stops (position, colour)."""
    at = [position for position, _ in stops]
    channels = [np.interp(value, at, [colour[c] for _, colour in stops]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def tint(colour: Colour, factor: float, lift: float = 0.0) -> Colour:
    """A colour made darker or lighter."""
    red, green, blue = (min(255.0, factor * c + lift) for c in colour)
    return red, green, blue


def paint(base: Array, colour: Array | Sequence[float], mask: Array) -> Array:
    """``colour`` over ``base`` where ``mask`` is 1."""
    return np.asarray(base + (np.asarray(colour, np.float32) - base) * mask[..., None], np.float32)


def shade(base: Array, colour: Colour, mask: Array) -> Array:
    """Multiply by ``colour`` / 255 where ``mask`` is 1: a transparent dark glaze."""
    return np.asarray(base * (1 + (np.asarray(colour, np.float32) / 255 - 1) * mask[..., None]), np.float32)


def strands(
    base: Array, paths: Array, colours: Array, width: float, opacity: float = 1.0, fine: int = 2
) -> Array:
    """Draw lines over ``base``, later ones above.

    base: [n, n, 3], or [n, n, 4] with the lines' cover as the fourth channel, 255 where opaque.
    paths: [N, P, 2] in finished pixels. colours: [N, P - 1, 3], one for each piece.
    width: in finished pixels; strands thin out to their ends.
    fine: how many times finer than the canvas they are drawn, which smooths their edges.
    """
    rows, columns, origin = _window(paths, width)
    under = base[rows, columns]
    before = Image.fromarray(np.clip(under[..., :3], 0, 255).astype(np.uint8))
    picture = before.resize((before.width * fine, before.height * fine), Image.Resampling.NEAREST)
    mask = Image.new("L", picture.size)
    _draw_lines(
        ImageDraw.Draw(picture),
        ImageDraw.Draw(mask),
        (paths * SUPER - origin) * fine,
        colours,
        width * SUPER * fine,
    )
    change = np.asarray(picture.reduce(fine), np.float32) - np.asarray(before, np.float32)
    cover = np.asarray(mask.reduce(fine), np.float32) / 255 * opacity
    result = base.copy()
    result[rows, columns, :3] += change * opacity
    result[rows, columns, 3:] = paint(under[..., 3:], (255.0,), cover)
    return result


def _draw_lines(
    picture: ImageDraw.ImageDraw, mask: ImageDraw.ImageDraw, paths: Array, colours: Array, width: float
) -> None:
    pieces = paths.shape[1] - 1
    taper = np.sin(np.linspace(0.35, 1.0, pieces) * np.pi) ** 0.5
    widths = [max(1, round(width * float(t))) for t in taper]
    lines, tints = paths.tolist(), np.clip(colours, 0, 255).astype(int).tolist()
    for line, tint in zip(lines, tints, strict=True):
        for i in range(pieces):
            piece = (*line[i], *line[i + 1])
            picture.line(piece, fill=tuple(tint[i]), width=widths[i])
            mask.line(piece, fill=255, width=widths[i])


def _window(paths: Array, width: float) -> tuple[slice, slice, Array]:
    """The part of the canvas that paths touch, and its corner."""
    margin = width * SUPER + 4
    points = paths.reshape(-1, 2) * SUPER
    low = np.clip(np.floor(points.min(axis=0) - margin), 0, SIDE * SUPER - 1).astype(int)
    high = np.clip(np.ceil(points.max(axis=0) + margin), low + 1, SIDE * SUPER).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0]), low.astype(np.float32)


def finish(colours: Array) -> Image.Image:
    """The finished picture, ``SIDE`` x ``SIDE`` RGB; even levels only, which pack better."""
    canvas = Image.fromarray(np.clip(colours + 0.5, 0, 255).astype(np.uint8))
    small = canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Image.fromarray(np.asarray(small) & np.uint8(0xFE))
