"""Where every part of a face moves: smooth fields on a coarse grid over the frame.

Everything is "backward": a field says for a place of the *new* frame how far its content has come.
Places are in [-1, 1] as in GridSample (align_corners=False). All tensors are [B, 1, G, G], what
belongs to a whole face [B, 1, 1, 1], points of a curve [B, K, 1, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from export.graph import Graph, Value, Vector, smoothstep
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

GRID: Final = 64
"""Side of the coarse grid (G)."""

Motion = Mapping[Column, Value]


@dataclass(frozen=True)
class Mesh:
    """Picks points out of ``mesh`` [B, 468, 2]."""

    values: Value

    def pick(self, indices: Sequence[int]) -> Vector:
        """K points as [B, K, 1, 1]."""
        x, y = self.values.take(1, indices).split(2, 2)
        return Vector(x.reshape(0, -1, 1, 1), y.reshape(0, -1, 1, 1))

    def point(self, index: int) -> Vector:
        return self.pick([index])


@dataclass(frozen=True)
class Frame:
    """A coordinate system: an origin, two directions and a unit of length."""

    origin: Vector
    right: Vector
    down: Vector
    unit: Value

    def local(self, place: Vector) -> Vector:
        """Places of the image -> this system."""
        away = place - self.origin
        return Vector(away.dot(self.right) / self.unit, away.dot(self.down) / self.unit)

    def image(self, offset: Vector) -> Vector:
        """Offsets in this system -> offsets in the image."""
        return (self.right * offset.x + self.down * offset.y) * self.unit


def frame_between(left: Vector, right: Vector) -> Frame:
    """Origin between two points, unit half of their distance."""
    across = right - left
    length = across.length().max(1e-3)
    direction = Vector(across.x / length, across.y / length)
    return Frame((left + right) * 0.5, direction, direction.turned(), length * 0.5)


def face_frame(mesh: Mesh) -> Frame:
    """Origin at the middle of the face, upright with the eyes, unit the face's height."""
    right, left = points.OUTER_EYE_CORNERS
    eyes = frame_between(mesh.point(right), mesh.point(left))
    top, chin = mesh.point(points.FOREHEAD), mesh.point(points.CHIN)
    height = (chin - top).length().max(1e-3)
    return Frame((top + chin) * 0.5, eyes.right, eyes.down, height)


def coarse_places(graph: Graph) -> Vector:
    """Centres of the coarse grid's cells."""
    centres = ((2 * np.arange(GRID) + 1) / GRID - 1).astype(np.float32)
    return Vector(
        graph.constant(centres.reshape(1, 1, 1, GRID)), graph.constant(centres.reshape(1, 1, GRID, 1))
    )


def curve(place: Value, knots: Vector, count: int) -> Value:
    """Height at ``place`` [B, 1, G, G] of the broken line through K knots, constant beyond its ends."""
    first, last = range(count - 1), range(1, count)
    width = (knots.x.take(1, last) - knots.x.take(1, first)).max(1e-4)
    slope = (knots.y.take(1, last) - knots.y.take(1, first)) / width
    run = (place - knots.x.take(1, first)).max(0.0).min(width)
    return knots.y.take(1, [0]) + (run * slope).sum(1)


def head_offset(graph: Graph, place: Vector, frame: Frame, motion: Motion) -> Vector:
    """How far the head carries what is at ``place``: it turns, nods, tilts and shifts.

    The face bulges towards the viewer, the nose most, so turning moves its middle more than its
    outline. Everything fades out around the head, and at the frame's border.
    """
    at = frame.local(place)
    bulge = 0.30 * bump2(at, 0.46, 0.62) + 0.07 * bump2(Vector(at.x, at.y - 0.08), 0.13, 0.16)
    far = Vector(at.x * 0.95, (at.y + 0.10) * 0.80)
    carried = 1.0 - smoothstep(far.length(), 0.50, 1.15)
    x = motion[Column.YAW] * bulge + (motion[Column.SHIFT_X] - motion[Column.ROLL] * (at.y - 0.6)) * carried
    y = motion[Column.PITCH] * bulge + (motion[Column.SHIFT_Y] + motion[Column.ROLL] * at.x) * carried
    return frame.image(Vector(x, y)) * border_fade(place)


def border_fade(place: Vector) -> Value:
    """0 at the frame's border, 1 inside: nothing is pulled in from beyond the picture."""
    return smoothstep(1.0 - place.x.magnitude(), 0.0, 0.25) * smoothstep(1.0 - place.y.magnitude(), 0.0, 0.25)


def bump2(at: Vector, width: float, height: float) -> Value:
    """exp(-(x / width)^2 - (y / height)^2)."""
    return (at.x.square() * (-1.0 / width**2) + at.y.square() * (-1.0 / height**2)).exp()
