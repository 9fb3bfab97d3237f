"""The mouth: two lips that part along the line where they meet, and the jaw below."""

from dataclasses import dataclass
from typing import Final

from export.graph import Value, Vector, bump
from export.warp.fields import Frame, Mesh, Motion, bump2, curve, frame_between
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

LIP_POINTS: Final = len(points.INNER_UPPER_LIP)

TYPICAL: Final = 0.16
"""Half-width of a mouth at rest, in heights of the face. How far lips part and how large teeth are
goes by the face: a broad smile opens no further than a small mouth."""

SIZES: Final = (0.6, 1.4)
"""Limits of a typical mouth's size, in half-widths of the portrait's."""

DROP: Final = 0.62
"""How far the lower lip sinks at the widest opening, in half-widths of a typical mouth."""

LIFT: Final = 0.15
"""How far the upper lip rises with it."""

RAISE: Final = 0.16
"""How far it rises by itself."""

GAP_SHARE: Final = 0.45
"""Share of the gap that a portrait already has by which it opens less."""

LEAST_SHARE: Final = 0.55
"""Share of the usual way that a mouth opens at least, however open it is in the portrait."""

REACH: Final = 0.80
"""Where the lips still part, in half-widths of the mouth from its middle; beyond they stay together."""

STEADY: Final = 0.6
"""How much less a mouth that shows teeth of its own is drawn in and spread: teeth keep their width."""

RELAX: Final = 0.15
"""How much further the corners of such a mouth sink when it opens: it speaks rather than laughs."""

SMILING: Final = 0.4
"""Share of its gap that such a mouth keeps when its lips are pressed: they do not leave the smile."""

RIM: Final = (0.04, 0.05)
"""Width of what is left out where a portrait's own teeth part from the lower lip, on the teeth and
on the lip, in half-widths of the mouth: the mesh's line runs a little beside the lip's edge."""


@dataclass(frozen=True)
class Opening:
    """What a mouth does in a frame, all [B, 1, 1, 1]; lengths in half-widths of the portrait's mouth.

    size: half-width of a typical mouth in this face. teeth: how surely the portrait shows teeth of
    its own, 0 to 1. drop, lift: how far the middle of the lower lip sinks and of the upper rises.
    spread: by which share of their distance from the middle the corners go outwards.
    """

    size: Value
    teeth: Value
    drop: Value
    lift: Value
    spread: Value


@dataclass(frozen=True)
class MouthFields:
    """Fields of a mouth, [B, 1, G, G]; lengths in half-widths of the mouth.

    at: mouth coordinates of the head at rest, for what is inside the mouth.
    below_upper: how far below the lower edge of the upper lip, or of the portrait's own teeth, a
        place lies (negative: above it). A dark gap in the portrait gives way to the mouth's inside.
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


def mouth_opening(mesh: Mesh, face: Frame, frame: Frame, teeth: Value, motion: Motion) -> Opening:
    """``teeth``: see ``Opening``."""
    size = (face.unit * TYPICAL / frame.unit).clip(*SIZES)
    upper, lower = frame.local(mesh.pick(points.LIP_CENTRE)).y.split(1, 2)
    less = (lower - upper).max(0.0) * (GAP_SHARE / (DROP + LIFT))
    opened = (size - less).max(size * LEAST_SHARE) * motion[Column.OPEN]
    # Teeth stay with the head. What a lip that rises would uncover above them, nobody knows.
    lift = (LIFT * opened + RAISE * size * motion[Column.RAISE]) * (1.0 - teeth)
    spread = (0.13 * motion[Column.WIDTH] - 0.12 * motion[Column.OPEN]) * (1.0 - STEADY * teeth)
    return Opening(size, teeth, DROP * opened, lift, spread + 0.05 * motion[Column.SMILE])


def mouth_fields(place: Vector, mesh: Mesh, frame: Frame, opening: Opening, motion: Motion) -> MouthFields:
    """``place``: the frame's places with the head's motion taken out."""
    at = frame.local(place)
    soft = soft_offset(at, opening, motion)
    rest = at - soft
    upper = curve(rest.x, frame.local(mesh.pick(points.INNER_UPPER_LIP)), LIP_POINTS)
    lower = curve(rest.x, frame.local(mesh.pick(points.INNER_LOWER_LIP)), LIP_POINTS)
    gap = (lower - upper).max(0.0)
    arch = opening_shape(rest.x, middle(mesh, frame))
    lift, sunk = opening.lift * arch, opening.drop * arch
    on_teeth, on_lip = (opening.teeth * gap.min(rim) for rim in RIM)
    closed = motion[Column.PRESS] * (1.0 - SMILING * opening.teeth) * (gap + on_lip)
    drop = sunk - closed
    below_gap = rest.y - (upper + gap - lift)
    below_lower = rest.y - (lower + drop)
    up = upper_lip_offset(below_gap + gap, lift, motion)
    chin = frame.local(mesh.point(points.CHIN)).y
    down = lower_lip_offset(rest, below_lower, drop, opening.drop, chin, motion)
    hollow = sunk.min(on_teeth + (1.0 - opening.teeth) * gap)
    rim = on_lip.min(sunk + closed)
    return MouthFields(at, below_gap + hollow, below_lower - rim, Vector(soft.x, soft.y + up), down - up)


def middle(mesh: Mesh, frame: Frame) -> Value:
    """u of the middle of the lips: not 0 in a face that is turned to the side."""
    return frame.local(mesh.pick(points.LIP_CENTRE)).x.mean(1).clip(-0.4, 0.4)


def opening_shape(u: Value, centre: Value) -> Value:
    """Share of the opening at u: 1 in the middle of the lips, 0 at the corners and beyond."""
    shifted = u - centre * (1.0 - u.square()).max(0.0)
    square = (shifted.square() * (1.0 / REACH**2)).min(1.0)
    return (1.0 - square) * (1.0 + 0.55 * square)


def soft_offset(at: Vector, opening: Opening, motion: Motion) -> Vector:
    """Lips spread and rounded, corners up and down: moves skin and lips alike."""
    x = opening.spread * at.x * bump2(at, 1.45, 1.0)
    corners = 0.16 * motion[Column.SMILE] - (0.10 + RELAX * opening.teeth) * motion[Column.OPEN]
    y = -(corners * at.x.square() * bump2(at, 1.15, 0.95))
    return Vector(x, y)


def upper_lip_offset(below: Value, lift: Value, motion: Motion) -> Value:
    """Along v: the lip rises with the skin up to the nose and thins when pressed."""
    above = (-below).max(0.0)
    return thinning(above, motion) - lift * bump(above, 0.55)


def lower_lip_offset(
    rest: Vector, below: Value, drop: Value, jaw: Value, chin: Value, motion: Motion
) -> Value:
    """Along v: the lip sinks by ``drop``, its middle by ``jaw``; chin and cheeks follow the jaw, the
    neck below does not."""
    under = below.max(0.0)
    near = bump(under, 0.85)
    neck = bump((rest.y - chin).max(0.0), 0.9)
    follow = 0.85 * jaw * bump(rest.x, 1.7) * neck
    return drop * near + follow * (1.0 - near) - thinning(under, motion)


def thinning(distance: Value, motion: Motion) -> Value:
    """Lips pressed get thinner, rounded ones fuller: how far content moves towards the line."""
    amount = 0.45 * motion[Column.PRESS] - 0.22 * (-motion[Column.WIDTH]).max(0.0)
    return amount * distance * bump(distance, 0.32)
