"""The eyes: lids of skin that close over them, where they look, and the brows."""

from dataclasses import dataclass
from typing import Final

from export.graph import Graph, Value, Vector, smoothstep
from export.warp.fields import Frame, Mesh, Motion, bump2, curve, frame_between
from export.warp.picture import Picture, brightness
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

LID_POINTS: Final = len(points.RIGHT_EYE.upper)

LASHES: Final = 0.10
"""Distance from the mesh's line up to a lid's end, in openings of the eye: the line runs inside it."""

BELOW: Final = 0.12
"""Distance from the lower lid's line down to a shut lid's end, in half-widths of the eye."""

LID_HEIGHT: Final = (0.28, 0.16)
"""Distance from an open lid's edge up to where the drawn lid covers the portrait's own lashes, and over
which way it fades in, in half-widths of the eye."""

LID_ENDS: Final = (1.0, 1.22)
"""Distance from the eye's middle from which a drawn lid fades out sideways, and where it has, in
half-widths of the eye."""

LID_STARTS: Final = 0.25
"""Closing of an eye at which its drawn lid covers fully what is above it."""

MIRROR: Final = (0.75, 0.60)
"""A drawn lid shows the skin above it, mirrored at its upper end: over this share of its height, but at
most over this share of the way to the brow."""

ROUND: Final = 0.10
"""Darkening of a closed lid towards the lashes: it goes round the eye."""

LASH_WIDTH: Final = 0.075
"""Half of the width of the drawn lashes at a lid's edge, in half-widths of the eye."""

LASH_LIGHT: Final = (0.20, 0.55)
"""Bounds of the lashes' brightness against the lid's; between them it is that of the portrait's line."""

GAZE: Final = (0.15, 0.10)
"""Ways of the eyes when they look aside and up or down, in half-widths of the eye."""


@dataclass(frozen=True)
class EyeFields:
    """Fields of one eye, [B, 1, H, W]; lengths in half-widths of the eye.

    above_edge: how far above the lid's edge a place lies. lid: how much a drawn lid covers it, 0 to
    1. height: place between the lid's upper end, 0, and its edge, 1. u: from -1 to 1 between the
    corners of the eye. skin: how far above a place the skin of a lid over it is taken from, and gaze:
    how far what is there is carried, both in the image. unit: half-width of the eye in the image,
    [B, 1, 1, 1].
    """

    above_edge: Value
    lid: Value
    height: Value
    u: Value
    skin: Vector
    gaze: Vector
    unit: Value


def eye_fields(place: Vector, mesh: Mesh, eye: points.Eye, blink: Value, motion: Motion) -> EyeFields:
    """``place``: the frame's places with the head's motion taken out."""
    frame = frame_between(mesh.point(eye.upper[0]), mesh.point(eye.upper[-1]))
    at = frame.local(place)
    inner = curve(at.x, frame.local(mesh.pick(eye.upper)), LID_POINTS)
    bottom = curve(at.x, frame.local(mesh.pick(eye.lower)), LID_POINTS)
    top = inner - LASHES * (bottom - inner).max(0.0)
    edge = top + blink * (bottom - top + BELOW)
    above, fade = LID_HEIGHT
    covered = smoothstep(at.y - (top - (above + fade)), 0.0, fade)
    sides = 1.0 - smoothstep(at.x.magnitude(), *LID_ENDS)
    lid = covered * sides * (blink * (1.0 / LID_STARTS)).min(1.0)
    below_top = at.y - (top - above)
    height = (below_top / (edge - top + above)).clip()
    share, room = MIRROR
    brow = curve(at.x, frame.local(mesh.pick(eye.below_brow)), len(eye.below_brow))
    reach = (top - above - brow).max(0.0) * room
    mirrored = below_top.max(0.0) + (reach / (edge - top + above)).min(share) * below_top.max(0.0)
    inside = (at.y - top).min(bottom - at.y).max(0.0) / (0.5 * (bottom - top)).max(0.05)
    follows = smoothstep(inside, 0.0, 0.2) * smoothstep(1.0 - at.x.magnitude(), 0.0, 0.45)
    x, y = GAZE
    gaze = Vector(x * motion[Column.GAZE_X] * follows, y * motion[Column.GAZE_Y] * follows)
    skin = frame.image(Vector(mirrored * 0.0, -mirrored))
    return EyeFields(edge - at.y, lid, height, at.x, skin, frame.image(gaze), frame.unit)


def lash_light(graph: Graph, picture: Picture, mesh: Mesh, eye: points.Eye) -> Value:
    """Brightness of the portrait's line of lashes against the skin between lid and brow, [B, 1, 1, 1]."""
    lid, brow = mesh.pick(eye.upper[2:7]), mesh.pick(eye.brow)
    line, skin = (brightness(graph, picture.mean_at(one)) for one in (lid, (lid + brow) * 0.5))
    return (line / skin.max(0.01)).clip(*LASH_LIGHT)


def over_eye(open_eye: Value, lid: Value, eye: EyeFields, lashes: Value, pixel: Value) -> Value:
    """``open_eye`` with the skin of the lid over it, both [B, 3, h, w]; ``pixel``: its size in the image."""
    at_edge = (eye.above_edge * (eye.unit / pixel) + 0.5).clip()
    skin = lid * (1.0 - ROUND * eye.height.square())
    drawn = open_eye + (skin - open_eye) * (eye.lid * at_edge)
    width = LASH_WIDTH * (1.25 - eye.u.square()).max(0.0)
    lash = (1.5 * (1.0 - eye.above_edge.magnitude() / width.max(1e-3))).clip() * eye.lid
    return drawn + (skin * lashes - drawn) * lash


def brow_offset(at: Vector, mesh: Mesh, frame: Frame, motion: Motion) -> Vector:
    """Both brows, with the forehead above; ``at``: places in the face's frame."""
    raised = -0.034 * motion[Column.BROW]
    lift = raised * (_brow(at, mesh, frame, points.RIGHT_EYE) + _brow(at, mesh, frame, points.LEFT_EYE))
    return frame.image(Vector(lift * 0.0, lift))


def _brow(at: Vector, mesh: Mesh, frame: Frame, eye: points.Eye) -> Value:
    return bump2(at - frame.local(mesh.pick(eye.brow)).mean(), 0.17, 0.062)
