"""The mouth: two lips that part along the line where they meet, and the jaw below."""

from dataclasses import dataclass
from typing import Final

from export.warp.fields import Frame, Mesh, Motion, bump2, curve, frame_between
from export.warp.graph import Value, Vector, bump
from lumen.engines.warp import mesh_points as points
from lumen.engines.warp.columns import Column

LIP_POINTS: Final = len(points.INNER_UPPER_LIP)

DROP: Final = 0.62
"""How far the lower lip sinks at the widest opening, in half-widths of the mouth."""

REACH: Final = 0.80
"""Where the lips still part, in half-widths of the mouth from its middle; beyond they stay together."""

LIFT: Final = 0.15
"""How far the upper lip rises with it."""

RAISE: Final = 0.16
"""How far it rises by itself."""


@dataclass(frozen=True)
class MouthFields:
    """Fields of a mouth, [B, 1, G, G]; lengths in half-widths of the mouth.

    at: mouth coordinates of the head at rest, for what is inside the mouth.
    below_upper: how far below the upper lip's edge a place lies (negative: above it).
    below_lower: how far below the lower lip's edge.
    offset: how far both lips and the skin around them carry what is there, along u and v.
    part: what the lower lip and jaw carry more than the upper lip does, along v.
    """

    at: Vector
    below_upper: Value
    below_lower: Value
    offset: Vector
    part: Value


def mouth_frame(mesh: Mesh) -> Frame:
    left, right = points.MOUTH_CORNERS
    return frame_between(mesh.point(left), mesh.point(right))


def mouth_fields(place: Vector, mesh: Mesh, frame: Frame, motion: Motion) -> MouthFields:
    """``place``: the frame's places with the head's motion taken out."""
    at = frame.local(place)
    soft = soft_offset(at, motion)
    rest = at - soft
    upper = curve(rest.x, frame.local(mesh.pick(points.INNER_UPPER_LIP)), LIP_POINTS)
    lower = curve(rest.x, frame.local(mesh.pick(points.INNER_LOWER_LIP)), LIP_POINTS)
    gap = (lower - upper).max(0.0)
    arch = opening_shape(rest.x, middle(mesh, frame))
    lift = (LIFT * motion[Column.OPEN] + RAISE * motion[Column.RAISE]) * arch
    drop = DROP * motion[Column.OPEN] * arch - motion[Column.PRESS] * gap
    below_upper = rest.y - (upper + gap - lift)
    below_lower = rest.y - (lower + drop)
    up = upper_lip_offset(below_upper + gap, lift, motion)
    chin = frame.local(mesh.point(points.CHIN)).y
    down = lower_lip_offset(rest, below_lower, drop, chin, motion)
    return MouthFields(at, below_upper, below_lower, Vector(soft.x, soft.y + up), down - up)


def middle(mesh: Mesh, frame: Frame) -> Value:
    """u of the middle of the lips: not 0 in a face that is turned to the side."""
    return frame.local(mesh.pick(points.LIP_CENTRE)).x.mean(1).clip(-0.4, 0.4)


def opening_shape(u: Value, centre: Value) -> Value:
    """Share of the opening at u: 1 in the middle of the lips, 0 at the corners and beyond."""
    shifted = u - centre * (1.0 - u.square()).max(0.0)
    square = (shifted.square() * (1.0 / REACH**2)).min(1.0)
    return (1.0 - square) * (1.0 + 0.55 * square)


def soft_offset(at: Vector, motion: Motion) -> Vector:
    """Lips spread and rounded, corners up and down: moves skin and lips alike."""
    spread = 0.13 * motion[Column.WIDTH] - 0.12 * motion[Column.OPEN] + 0.05 * motion[Column.SMILE]
    x = spread * at.x * bump2(at, 1.45, 1.0)
    corners = 0.16 * motion[Column.SMILE] - 0.10 * motion[Column.OPEN]
    y = -(corners * at.x.square() * bump2(at, 1.15, 0.95))
    return Vector(x, y)


def upper_lip_offset(below: Value, lift: Value, motion: Motion) -> Value:
    """Along v: the lip rises with the skin up to the nose and thins when pressed."""
    above = (-below).max(0.0)
    return thinning(above, motion) - lift * bump(above, 0.55)


def lower_lip_offset(rest: Vector, below: Value, drop: Value, chin: Value, motion: Motion) -> Value:
    """Along v: the lip sinks by ``drop``, chin and cheeks follow the jaw, the neck below does not."""
    under = below.max(0.0)
    near = bump(under, 0.85)
    neck = bump((rest.y - chin).max(0.0), 0.9)
    jaw = DROP * 0.85 * motion[Column.OPEN] * bump(rest.x, 1.7) * neck
    return drop * near + jaw * (1.0 - near) - thinning(under, motion)


def thinning(distance: Value, motion: Motion) -> Value:
    """Lips pressed get thinner, rounded ones fuller: how far content moves towards the line."""
    amount = 0.45 * motion[Column.PRESS] - 0.22 * (-motion[Column.WIDTH]).max(0.0)
    return amount * distance * bump(distance, 0.32)
