"""The skin of a shut lid: the colours of the plain skin around the eye, and the grain of the cheek's.

No portrait shows what is under a shut lid. Its colours are smooth: a parabola across the eye for the skin of
the open lid, and one for that below the eye. Both go through means of samples along the mesh's rings around
the eye, in which dark ones, of lashes and folds, hardly count.
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

DARK: Final = (0.65, 1.0)
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

MIX: Final = (0.2, 0.6)
"""Share of the skin below the eye in a lid's colour: at its upper end and at its edge."""

ROUND: Final = 0.08
"""Darkening of a lid towards the lashes: it goes round the eye."""

SIDES: Final = 0.05
"""The same towards the corners of the eye."""

GRAIN: Final = 6.0
"""Bound on the grain, in levels of 255."""

GRAIN_BELOW: Final = 0.6
"""Distance from the end of the lower lid's skin down to where the grain of a lid's upper end is taken from,
in heights of that skin: folds lie above."""

GRAIN_SHIFT: Final = 256
"""Grain is the difference of pixels that lie this part of the frame's side apart, along both axes."""


@dataclass(frozen=True)
class LidSkin:
    """Skin around an eye.

    parabolas: coefficients of 1, u and u squared for the open lid's colours, then for those below the
    eye, 0 to 255: [B, 3, 6]. grain: way to where the grain is taken from, in the image.
    """

    parabolas: Value
    grain: Vector


def lid_skin(graph: Graph, picture: Picture, mesh: Mesh, eye: points.Eye) -> LidSkin:
    """What ``picture`` shows around an eye."""
    lid, fold, below, bag = (mesh.pick(ids) for ids in (eye.lid, eye.fold, eye.below, eye.bag))
    rows = [rows_between(lid, fold, LID_ROWS), rows_between(below, bag, BELOW_ROWS)]
    colours = picture.at(
        Vector(*(concat(2, *each) for each in zip(*((one.x, one.y) for one in rows), strict=True)))
    )
    luma = (colours * channels(graph, LUMA)).sum(1)
    weight = smoothstep(luma / luma.mean(2).mean(3).max(1.0), *DARK) + LEAST_WEIGHT
    knots = graph.constant(np.array(KNOTS, np.float32).reshape(1, 1, -1))
    near = bump(eye_frame(mesh, eye).local(lid).x.reshape(0, -1, 1) - knots, ACROSS)
    groups = concat(1, colours * weight, weight).split(2, 2)
    means = concat(2, *(_means_at_knots(group, near) for group in groups))
    cheek = bag + (bag - below) * GRAIN_BELOW
    return LidSkin(graph.op("MatMul", means, _through_knots(graph)), cheek.mean() - lid.mean())


def _means_at_knots(weighted: Value, near: Value) -> Value:
    """Weighted colours with their weights, [B, 4, R, K], near to knots by [B, K, 3] -> means [B, 3, 3]."""
    graph = weighted.graph
    sums = graph.op("MatMul", weighted.sum(2).reshape(0, 4, -1), near)
    colours, weight = graph.ops("Split", 2, sums, graph.ints(3, 1), axis=1)
    return colours / weight


def _through_knots(graph: Graph) -> Value:
    """Values of two parabolas at their knots -> their coefficients, [6, 6]."""
    powers = np.vander(KNOTS, increasing=True)
    return graph.constant(np.kron(np.eye(2), np.linalg.inv(powers).T).astype(np.float32))


def lid_colours(skin: LidSkin, u: Value, height: Value, cheek: Value, side: Value) -> Value:
    """Colours of a lid, [B, 3, h, w].

    u, height: place on the lid, from -1 to 1 across and from 0 to 1 at its edge. cheek: the picture
    where the grain is taken from, [B, 3, h, w]; ``side`` int64 [1].
    """
    graph, u = u.graph, u.clip(-ENDS, ENDS)
    shade = 1.0 - ROUND * height.square() - SIDES * u.square()
    below = (MIX[0] + (MIX[1] - MIX[0]) * height) * shade
    above = shade - below
    basis = concat(1, *(part * power for part in (above, below) for power in (1.0, u, u.square())))
    smooth = graph.op("MatMul", skin.parabolas, basis.reshape(0, 6, -1))
    return graph.op("Reshape", smooth, graph.op("Shape", cheek)) + grain(cheek, side)


def grain(picture: Value, side: Value) -> Value:
    """The finest texture of ``picture`` [B, 3, h, w]; without it a lid looks like plastic."""
    graph = picture.graph
    step = graph.op("Div", side, graph.ints(GRAIN_SHIFT))
    moved = graph.op("Slice", picture, graph.ints(0, 0), concat(0, -step, -step), graph.ints(2, 3))
    pads = concat(0, graph.ints(0, 0), step, step, graph.ints(0, 0, 0, 0))
    rough = picture - graph.op("Pad", moved, pads, mode="edge")
    return rough / (1.0 + rough.magnitude() * (1.0 / GRAIN))
