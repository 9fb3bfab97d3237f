"""Motion of every part of a face: smooth fields, on a coarse grid over the head or pixel by pixel.

Everything is "backward": a field says for a place of the *new* frame how far its content has come.
Places are in [-1, 1] as in GridSample (align_corners=False). All tensors are [B, 1, H, W], what
belongs to a whole face [B, 1, 1, 1], points of a curve [B, K, 1, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from export.graph import Value, Vector, concat, smoothstep
from export.warp.windows import HEAD, Window
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

RELIEF_WIDTH: Final = 0.13
"""Distance over which the depth of a mesh point spreads, in heights of the face."""

SURROUNDINGS: Final = 0.30
"""Weight of the outline's depth against the nearest mesh point's: it counts where no point is near."""

MAX_RELIEF: Final = 0.6
"""Bound on how far anything may lie before or behind the outline, in heights of the face."""

HEAD_RADII: Final = (0.50, 1.15)
"""Distances from the middle of the face up to which everything moves with it, and from which nothing
does, in heights of the face (a little more above and below)."""

NECK: Final = 0.6
"""Distance from the middle of the face down to where the head tilts about, in heights of the face."""

BORDER: Final = 0.25
"""Part of the head's window over which motion fades out towards the window's border."""

Motion = Mapping[Column, Value]


@dataclass(frozen=True)
class Mesh:
    """Picks points out of ``mesh`` [B, 468, 3]."""

    values: Value
    _picked: dict[tuple[int, ...], list[Value]] = field(default_factory=dict)

    def pick(self, indices: Sequence[int]) -> Vector:
        """K points as [B, K, 1, 1]."""
        x, y, _ = self._columns(indices)
        return Vector(x, y)

    def depth(self, indices: Sequence[int]) -> Value:
        """Their depth, [B, K, 1, 1]."""
        return self._columns(indices)[2]

    def point(self, index: int) -> Vector:
        return self.pick([index])

    def _columns(self, indices: Sequence[int]) -> list[Value]:
        key = tuple(indices)
        if key not in self._picked:
            columns = self.values.take(1, key).split(2, 3)
            self._picked[key] = [part.reshape(0, -1, 1, 1) for part in columns]
        return self._picked[key]


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


def eye_frame(mesh: Mesh, eye: points.Eye) -> Frame:
    """Origin at the middle of an eye, unit half of its width."""
    return frame_between(mesh.point(eye.upper[0]), mesh.point(eye.upper[-1]))


def face_frame(mesh: Mesh) -> Frame:
    """Origin at the middle of the face, upright with the eyes, unit the face's height."""
    right, left = points.OUTER_EYE_CORNERS
    eyes = frame_between(mesh.point(right), mesh.point(left))
    top, chin = mesh.point(points.FOREHEAD), mesh.point(points.CHIN)
    height = (chin - top).length().max(1e-3)
    return Frame((top + chin) * 0.5, eyes.right, eyes.down, height)


def curve(place: Value, knots: Vector, count: int) -> Value:
    """Height at ``place`` [B, 1, H, W] of the broken line through K knots, constant beyond its ends."""
    first, last = range(count - 1), range(1, count)
    width = (knots.x.take(1, last) - knots.x.take(1, first)).max(1e-4)
    slope = (knots.y.take(1, last) - knots.y.take(1, first)) / width
    run = (place - knots.x.take(1, first)).max(0.0).min(width)
    return knots.y.take(1, [0]) + weighted_sum(slope, run)


def weighted_sum(weights: Value, planes: Value) -> Value:
    """Sum of K planes [B, K, H, W], each times its weight [B, K, 1, 1] -> [B, 1, H, W].

    A product and not a sum: ONNX Runtime sums in another order where the batch is one.
    """
    graph = planes.graph
    total = graph.op("MatMul", weights.reshape(0, 1, -1), planes.reshape(0, 0, -1))
    sizes = graph.op("Shape", planes, start=2, end=4)
    return graph.op("Reshape", total, concat(0, graph.ints(0, 1), sizes))


def relief(at: Vector, mesh: Mesh, frame: Frame) -> Value:
    """Distance by which what is at ``at`` lies before the face's outline, in heights of the face.

    The depths of mesh points near a place, weighted by their distance; 0 away from the face.
    """
    near = at - frame.local(mesh.pick(points.RELIEF))
    weight = bump2(near, RELIEF_WIDTH, RELIEF_WIDTH)
    outline = mesh.depth(points.OUTLINE).mean(1)
    before = ((outline - mesh.depth(points.RELIEF)) / frame.unit).clip(-MAX_RELIEF, MAX_RELIEF)
    return weighted_sum(before, weight) / (weighted_sum(before * 0.0 + 1.0, weight) + SURROUNDINGS)


def head_offset(place: Vector, mesh: Mesh, frame: Frame, motion: Motion) -> Vector:
    """Way on which the head carries what is at ``place``: it turns, nods, tilts and shifts.

    Turning moves what lies nearer to the viewer further. Everything fades out around the head, and
    towards the border of its window.
    """
    at = frame.local(place)
    far = Vector(at.x * 0.95, (at.y + 0.10) * 0.80)
    carried = 1.0 - smoothstep(far.length(), *HEAD_RADII)
    before = relief(at, mesh, frame)
    x = motion[Column.YAW] * before + (motion[Column.SHIFT_X] - motion[Column.ROLL] * (at.y - NECK)) * carried
    y = motion[Column.PITCH] * before + (motion[Column.SHIFT_Y] + motion[Column.ROLL] * at.x) * carried
    return frame.image(Vector(x, y)) * border_fade(place, HEAD)


def border_fade(place: Vector, window: Window) -> Value:
    """0 at the window's border, 1 inside: nothing is pulled in from beyond it."""
    x, y = ((one - c) / r for one, c, r in zip((place.x, place.y), window.centre, window.reach, strict=True))
    return smoothstep(1.0 - x.magnitude(), 0.0, BORDER) * smoothstep(1.0 - y.magnitude(), 0.0, BORDER)


def bump2(at: Vector, width: float, height: float) -> Value:
    """exp(-(x / width)^2 - (y / height)^2)."""
    return (at.x.square() * (-1.0 / width**2) + at.y.square() * (-1.0 / height**2)).exp()
