"""The skin of a shut lid: the colours of the plain skin around the eye, with the grain of the cheek's.

What a shut lid looks like is not in the portrait. Its colours are smooth: a parabola across the eye for the
skin of the open lid, and one for that below the eye. Both go through means of samples along the mesh's rings
around the eye, in which dark ones, of lashes and folds, hardly count.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from export.graph import Graph, Value, Vector, bump, concat, smoothstep
from export.warp.fields import Mesh, eye_frame
from export.warp.picture import LUMA, Picture, channels, rows_between
from lumen.families.warp import mesh_points as points

LID_ROWS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Rows of samples on the open lid: 0 along the middle of its skin, 1 along its fold."""

BELOW_ROWS: Final = (0.25, 0.5, 0.75, 1.0, 1.25)
"""Rows of samples below the eye: 0 along the lower lid, 1 along the end of its skin."""

LASH_ROWS: Final = (0.1, 0.25, 0.4)
"""Rows in which a portrait's lashes are looked for: 0 along the mesh's line, 1 along the middle of the
lid's skin."""

LASH_LIGHT: Final = (0.20, 0.55)
"""Bounds of the lashes' colour against the lid's; between them it goes by that of the portrait's."""

DARK: Final = (0.7, 1.05)
"""Brightness against the mean of an eye's samples up to which one hardly counts, and from which it does
fully."""

LEAST_WEIGHT: Final = 0.03
"""Weight of dark ones."""

ACROSS: Final = 0.55
"""Distance over which samples count at a place across the eye, in half-widths of the eye."""

KNOTS: Final = (-1.0, 0.0, 1.0)
"""Places across the eye through whose means the parabolas go."""

ENDS: Final = 1.1
"""Place across the eye beyond which the colours stay what they are there."""

MIX: Final = (0.35, 0.65)
"""Share of the skin below the eye in a lid's colour: at its upper end and at its edge."""

ROUND: Final = 0.08
"""Darkening of a lid towards the lashes: it goes round the eye."""

SIDES: Final = 0.05
"""The same towards the corners of the eye."""

GRAIN: Final = 8.0
"""Bound on the grain, in levels of 255."""

GRAIN_BELOW: Final = 0.6
"""Distance from the end of the lower lid's skin down to where the grain of a lid's upper end is taken from,
in heights of that skin: folds lie above."""

GRAIN_SHIFT: Final = 256
"""Grain is the difference of pixels that lie this part of the frame's side apart, along both axes."""

EYES: Final = (points.RIGHT_EYE, points.LEFT_EYE)

RINGS: Final = tuple(
    right + left
    for right, left in zip(
        *((eye.upper[1:-1], eye.lid, eye.fold, eye.below, eye.bag) for eye in EYES), strict=True
    )
)
"""Rows of points around both eyes: the edge, the middle and the fold of the upper lid, the lower lid's skin
and its end."""


@dataclass(frozen=True)
class Lid:
    """Colours, grain and lashes of the lid that shuts an eye.

    parabolas: coefficients of 1, u and u squared for the open lid's colours, then for those below the
    eye, 0 to 255: [B, 3, 6]. grain: way to where the grain is taken from, in the image. lashes: colour
    of the portrait's lashes against the skin of its lids, [B, 3, 1, 1].
    """

    parabolas: Value
    grain: Vector
    lashes: Value


def lids_of(graph: Graph, picture: Picture, mesh: Mesh) -> list[Lid]:
    """Measure the lids of the right and the left eye in ``picture``."""
    edge, lid, fold, below, bag = (mesh.pick(ids) for ids in RINGS)
    lines = rows_between(edge, lid, LASH_ROWS)
    above, under = rows_between(lid, fold, LID_ROWS), rows_between(below, bag, BELOW_ROWS)
    seen = picture.at(Vector(concat(2, lines.x, above.x, under.x), concat(2, lines.y, above.y, under.y)))
    counts = graph.ints(len(LASH_ROWS), len(LID_ROWS) + len(BELOW_ROWS))
    dark, skin = graph.ops("Split", 2, seen, counts, axis=2)
    lashes = _lashes(graph, dark, skin)
    cheek = bag + (bag - below) * GRAIN_BELOW - lid
    ways = (Vector(x, y).mean() for x, y in zip(cheek.x.split(1, 2), cheek.y.split(1, 2), strict=True))
    return [Lid(one, way, lashes) for one, way in zip(_parabolas(graph, skin, mesh), ways, strict=True)]


def _lashes(graph: Graph, lines: Value, skin: Value) -> Value:
    """Colour of the lashes against the skin, from rows of samples [B, 3, R, 2 K] -> [B, 3, 1, 1]."""
    darkest = graph.op("ReduceMin", lines.mean(3), graph.ints(2))
    lid = skin.split(2, 2)[0].mean(3).mean(2)
    return (darkest / lid.max(1.0)).square().clip(*LASH_LIGHT)


def _parabolas(graph: Graph, skin: Value, mesh: Mesh) -> list[Value]:
    """Parabolas of both eyes, [B, 3, 6] each, from rows of samples [B, 3, R, 2 K]."""
    luma = (skin * channels(graph, LUMA)).sum(1)
    weight = smoothstep(luma / luma.mean(2).mean(3).max(1.0), *DARK) + LEAST_WEIGHT
    parts = concat(1, skin * weight, weight).split(2, 2)
    above, below = (rows.sum(2).reshape(0, 4, -1).split(2, 2) for rows in parts)
    knots = graph.constant(np.array(KNOTS, np.float32).reshape(1, 1, -1))
    found = []
    for eye, *groups in zip(EYES, above, below, strict=True):
        u = eye_frame(mesh, eye).local(mesh.pick(eye.lid)).x.reshape(0, -1, 1)
        means = concat(2, *(_means(group, bump(u - knots, ACROSS)) for group in groups))
        found.append(graph.op("MatMul", means, _through_knots(graph)))
    return found


def _means(weighted: Value, near: Value) -> Value:
    """Weighted colours with their weights, [B, 4, K], near to knots by [B, K, 3] -> means [B, 3, 3]."""
    graph = weighted.graph
    colours, weight = graph.ops("Split", 2, graph.op("MatMul", weighted, near), graph.ints(3, 1), axis=1)
    return colours / weight


def _through_knots(graph: Graph) -> Value:
    """Values of two parabolas at their knots -> their coefficients, [6, 6]."""
    powers = np.vander(KNOTS, increasing=True)
    return graph.constant(np.kron(np.eye(2), np.linalg.inv(powers).T).astype(np.float32))


def lid_colours(lid: Lid, u: Value, height: Value, cheek: Value, side: Value) -> Value:
    """Colours of a lid, [B, 3, h, w].

    u, height: place on the lid, from -1 to 1 across and from 0 to 1 at its edge. cheek: the picture
    where the grain is taken from, [B, 3, h, w]; ``side`` int64 [1].
    """
    graph, u = u.graph, u.clip(-ENDS, ENDS)
    shade = 1.0 - ROUND * height.square() - SIDES * u.square()
    below = (MIX[0] + (MIX[1] - MIX[0]) * height) * shade
    above = shade - below
    basis = concat(1, *(part * power for part in (above, below) for power in (1.0, u, u.square())))
    smooth = graph.op("MatMul", lid.parabolas, basis.reshape(0, 6, -1))
    return graph.op("Reshape", smooth, graph.op("Shape", cheek)) + grain(cheek, side)


def grain(picture: Value, side: Value) -> Value:
    """The finest texture of ``picture`` [B, 3, h, w]; without it a lid looks like plastic."""
    graph = picture.graph
    step = graph.op("Div", side, graph.ints(GRAIN_SHIFT))
    moved = graph.op("Slice", picture, graph.ints(0, 0), concat(0, -step, -step), graph.ints(2, 3))
    pads = concat(0, graph.ints(0, 0), step, step, graph.ints(0, 0, 0, 0))
    rough = picture - graph.op("Pad", moved, pads, mode="edge")
    return rough / (1.0 + rough.magnitude() * (1.0 / GRAIN))
