"""The mouth: two lips that part along the line where they meet, and the jaw below."""

from dataclasses import dataclass
from typing import Final

from export.graph import Value, Vector, bump, smoothstep
from export.warp.fields import Frame, Mesh, Motion, bump2, curve, frame_between
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

LIP_POINTS: Final = len(points.INNER_UPPER_LIP)

TYPICAL: Final = 0.16
"""Half-width of a mouth at rest, in heights of the face. How far lips part and how large teeth are
goes by the face: a broad smile opens no further than a small mouth."""

SIZES: Final = (0.6, 1.4)
"""Limits of a typical mouth's size, in half-widths of the portrait's."""

DROP: Final = 0.56
"""Way of the lower lip down at the widest opening, in half-widths of a typical mouth."""

LIFT: Final = 0.13
"""Way of the upper lip up with it."""

RAISE: Final = 0.18
"""Way of the upper lip by itself."""

BITE: Final = 0.175
"""Way of the upper lip where the lower one is laid to the upper teeth: their edges show."""

TUCK: Final = 0.01
"""Way of the lower lip up for that."""

BITE_SHUTS: Final = 0.8
"""Share of the opening that this takes away."""

GAP_SHARE: Final = 0.45
"""Share of the gap that a portrait already has by which it opens less."""

LEAST_SHARE: Final = 0.55
"""Share of the usual way that a mouth opens at least, however open it is in the portrait."""

REACH: Final = 0.94
"""Distance from the middle up to which the lips part, in half-widths of the mouth."""

CORNER: Final = 0.30
"""Part of that reach, squared, over which the lips come together: corners are pointed, not cut."""

ARCH: Final = 0.55
"""Fullness of the opening between its middle and its ends; rounded lips have ``ROUND_ARCH`` more."""

ROUND_ARCH: Final = 0.40

ROUND_REACH: Final = 0.18
"""Share of ``REACH`` by which rounded lips part less far to the sides."""

BITE_REACH: Final = 0.15
"""The same where the lower lip is laid to the upper teeth: the whole row would look like a snarl."""

BITE_ARCH: Final = 0.15
"""Part of ``ARCH`` that is lost there."""

FAR_REACH: Final = 0.6
"""Share of ``REACH`` by which lips part less far on the far side of a face that is turned, times the distance
of their middle from that of the corners: few pixels show that corner, and beside it is skin, not lip."""

FAR_CORNER: Final = 2.0
"""Growth of ``CORNER`` there, times the same."""

ROUNDING: Final = 0.62
"""Strength by which rounded lips are drawn in: their corners come to 0.7 of the mouth's half-width."""

SPREADING: Final = 0.46
"""Strength by which spread ones are drawn out: to 1.19 of it."""

NARROWING: Final = 0.10
"""Strength by which a mouth that opens is drawn in."""

CORNER_REACH: Final = (1.15, 0.62, 1.1)
"""Distances over which drawing in and out fades: to the sides, up to the nose, down to the chin."""

STEADY: Final = 0.6
"""Share by which a mouth with teeth of its own is drawn in and spread less: teeth keep their width."""

RELAX: Final = 0.15
"""Way that the corners of such a mouth sink in addition when it opens: it speaks rather than laughs."""

SMILING: Final = 0.4
"""Share of its gap that such a mouth keeps when its lips are pressed: they do not leave the smile."""

RIM: Final = (0.04, 0.05)
"""Width of what is left out where a portrait's own teeth part from the lower lip, on the teeth and
on the lip, in half-widths of the mouth: the mesh's line runs a little beside the lip's edge."""

LIP_HEIGHT: Final = 0.32
"""Distance from the line over which lips get thinner or fuller, in half-widths of the mouth."""

LIP_WIDTH: Final = 1.15
"""The same to the sides, from the middle."""

CHEEKS: Final = 0.30
"""Share of the jaw's way that the cheeks beside the mouth go along."""

JAW: Final = 0.85
"""Share of it that the chin goes along."""


@dataclass(frozen=True)
class Opening:
    """Motion of a mouth in a frame, all [B, 1, 1, 1]; lengths in half-widths of the portrait's mouth.

    size: half-width of a typical mouth in this face. teeth: how surely the portrait shows teeth of
    its own, 0 to 1. drop, lift: how far the middle of the lower lip sinks and of the upper rises.
    bitten: 0 to 1, how far the lower lip is laid to the upper teeth. tuck: how far it rises for that.
    spread: how strongly the corners are drawn outwards. rounded: 0 to 1. pressed: 0 to 1.
    """

    size: Value
    teeth: Value
    drop: Value
    lift: Value
    bitten: Value
    tuck: Value
    spread: Value
    rounded: Value
    pressed: Value


@dataclass(frozen=True)
class MouthFields:
    """Fields of a mouth, [B, 1, H, W]; lengths in half-widths of the mouth.

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

    def moved(self, edge: Value | float) -> Vector:
        """Offset with the lower lip's part below the mouth; ``edge``: least height of the change."""
        opening = (self.below_upper - self.below_lower).max(edge)
        lower = (1.0 + self.below_lower / opening).clip() * self.part
        return Vector(self.offset.x, self.offset.y + lower)


def mouth_frame(mesh: Mesh) -> Frame:
    left, right = points.MOUTH_CORNERS
    return frame_between(mesh.point(left), mesh.point(right))


def mouth_opening(mesh: Mesh, face: Frame, frame: Frame, teeth: Value, motion: Motion) -> Opening:
    """``teeth``: see ``Opening``."""
    size = (face.unit * TYPICAL / frame.unit).clip(*SIZES)
    upper, lower = frame.local(mesh.pick(points.LIP_CENTRE)).y.split(1, 2)
    less = (lower - upper).max(0.0) * (GAP_SHARE / (DROP + LIFT))
    pressed, bitten = motion[Column.PRESS], motion[Column.TEETH]
    # Curves of speech have lost to the press already what it takes of their opening.
    opens = motion[Column.OPEN].min(1.0 - pressed) * (1.0 - BITE_SHUTS * bitten)
    way = (size - less).max(size * LEAST_SHARE) * opens
    # Teeth stay with the head. What a lip that rises would uncover above them, nobody knows.
    raised = size * (RAISE * motion[Column.UPPER] + BITE * bitten)
    lift = (LIFT * way + raised * (1.0 - pressed)) * (1.0 - teeth)
    rounded, spread = (-motion[Column.WIDTH]).max(0.0), motion[Column.WIDTH].max(0.0)
    drawn = (SPREADING * spread - ROUNDING * rounded - NARROWING * opens) * (1.0 - STEADY * teeth)
    smile = 0.05 * motion[Column.SMILE]
    return Opening(
        size,
        teeth,
        drop=DROP * way,
        lift=lift,
        bitten=bitten,
        tuck=TUCK * size * bitten,
        spread=drawn + smile,
        rounded=rounded,
        pressed=pressed,
    )


def mouth_fields(place: Vector, mesh: Mesh, frame: Frame, opening: Opening, motion: Motion) -> MouthFields:
    """``place``: the frame's places with the head's motion taken out."""
    at = frame.local(place)
    soft = soft_offset(at, opening, motion)
    rest = at - soft
    upper = curve(rest.x, frame.local(mesh.pick(points.INNER_UPPER_LIP)), LIP_POINTS)
    lower = curve(rest.x, frame.local(mesh.pick(points.INNER_LOWER_LIP)), LIP_POINTS)
    gap = (lower - upper).max(0.0)
    arch = opening_shape(rest.x, middle(mesh, frame), opening)
    lift, sunk = opening.lift * arch, opening.drop * arch
    on_teeth, on_lip = (opening.teeth * gap.min(rim) for rim in RIM)
    closed = opening.pressed * (1.0 - SMILING * opening.teeth) * (gap + on_lip) + opening.tuck * arch
    drop = sunk - closed
    below_gap = rest.y - (upper + gap - lift)
    below_lower = rest.y - (lower + drop)
    up = upper_lip_offset(rest.x, below_gap + gap, lift, opening)
    chin = frame.local(mesh.point(points.CHIN)).y
    down = lower_lip_offset(rest, below_lower, drop, opening, chin)
    hollow = sunk.min(on_teeth + (1.0 - opening.teeth) * gap)
    rim = on_lip.min(sunk + closed)
    return MouthFields(at, below_gap + hollow, below_lower - rim, Vector(soft.x, soft.y + up), down - up)


def middle(mesh: Mesh, frame: Frame) -> Value:
    """u of the middle of the lips: not 0 in a face that is turned to the side."""
    return frame.local(mesh.pick(points.LIP_CENTRE)).x.mean(1).clip(-0.4, 0.4)


def centred(u: Value, centre: Value) -> Value:
    """u with the middle of the lips at 0 and the corners where they were."""
    return u - centre * (1.0 - u.square()).max(0.0)


def opening_shape(u: Value, centre: Value, opening: Opening) -> Value:
    """Share of the opening at u: 1 in the middle of the lips, 0 at the corners and beyond."""
    far = (u * centre).max(0.0)
    reach = REACH * (1.0 - ROUND_REACH * opening.rounded - BITE_REACH * opening.bitten - FAR_REACH * far)
    square = (centred(u, centre) / reach).square().min(1.0)
    arch = ARCH + ROUND_ARCH * opening.rounded - BITE_ARCH * opening.bitten
    full = (1.0 - square) * (1.0 + arch * square)
    return full * smoothstep((1.0 - square) / (CORNER + FAR_CORNER * far), 0.0, 1.0)


def soft_offset(at: Vector, opening: Opening, motion: Motion) -> Vector:
    """Lips spread and rounded, corners up and down, cheeks down: moves skin and lips alike."""
    side, above, below = CORNER_REACH
    folded = Vector(at.x, at.y.max(0.0) + (below / above) * at.y.min(0.0))
    x = opening.spread * at.x * bump2(folded, side, below)
    corners = 0.16 * motion[Column.SMILE] - (0.10 + RELAX * opening.teeth) * motion[Column.OPEN]
    y = -(corners * at.x.square() * bump2(at, 1.15, 0.95))
    cheeks = CHEEKS * opening.drop * bump2(Vector(at.x.magnitude() - 1.55, at.y - 0.25), 0.6, 0.8)
    return Vector(x, y + cheeks)


def upper_lip_offset(u: Value, below: Value, lift: Value, opening: Opening) -> Value:
    """Along v: the lip rises with the skin up to the nose and thins when pressed."""
    above = (-below).max(0.0)
    amount = 0.45 * opening.pressed - 0.30 * opening.rounded
    return thinning(u, above, amount) - lift * bump(above, 0.55)


def lower_lip_offset(rest: Vector, below: Value, drop: Value, opening: Opening, chin: Value) -> Value:
    """Along v: the lip sinks by ``drop``, its middle with the jaw; chin and cheeks follow the jaw, the
    neck below does not."""
    under = below.max(0.0)
    near = bump(under, 0.85)
    neck = bump((rest.y - chin).max(0.0), 0.9)
    follow = JAW * opening.drop * bump(rest.x, 1.9) * neck
    amount = 0.45 * opening.pressed + 0.35 * opening.bitten - 0.30 * opening.rounded
    return drop * near + follow * (1.0 - near) - thinning(rest.x, under, amount)


def thinning(u: Value, distance: Value, amount: Value) -> Value:
    """Lips pressed get thinner, rounded ones fuller: how far content moves towards the line."""
    return amount * distance * bump(distance, LIP_HEIGHT) * bump(u, LIP_WIDTH)
