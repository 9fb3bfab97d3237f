"""The eyes: lids of skin that close over them, where they look, and the brows."""

from dataclasses import dataclass
from typing import Final

from export.graph import Value, Vector, bump, smoothstep
from export.warp.fields import Frame, Mesh, Motion, bump2, curve, eye_frame
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

LID_POINTS: Final = len(points.RIGHT_EYE.upper)

LASHES: Final = 0.10
"""Distance from the mesh's line up to a lid's end, in openings of the eye: the line runs inside it."""

BELOW: Final = 0.15
"""Distance from the lower lid's line down to a shut lid's end, in half-widths of the eye."""

LID_FADE: Final = (1.5, 0.7)
"""A drawn lid fades in from above the middle of the open lid's skin to below it: over these shares of the
skin's height from there to its fold, and to its edge."""

LID_ENDS: Final = (1.05, 1.35)
"""Distance from the eye's middle from which a drawn lid fades out sideways, and where it has, in
half-widths of the eye."""

LID_STARTS: Final = 0.25
"""Closing of an eye at which its drawn lid covers fully what is above it."""

LEAST_SKIN: Final = 0.05
"""Least height of the parts of an open lid's skin, in half-widths of the eye: some lids hardly show."""

LASH_WIDTH: Final = 0.075
"""Distance over which the drawn lashes fade away from a lid's edge, in half-widths of the eye."""

LASH_ENDS: Final = 0.4
"""Share of it at the ends of the line."""

GAZE: Final = (0.15, 0.10)
"""Ways of the eyes when they look aside and up or down, in half-widths of the eye."""


@dataclass(frozen=True)
class EyeFields:
    """Fields of one eye, [B, 1, H, W]; lengths in half-widths of the eye.

    above_edge: how far above the lid's edge a place lies. lid: how much a drawn lid covers it, 0 to
    1. height: place between the middle of the open lid's skin, 0, and the lid's edge, 1. u: from -1 to
    1 between the corners of the eye. gaze: how far what is there is carried, in the image. unit:
    half-width of the eye in the image, [B, 1, 1, 1].
    """

    above_edge: Value
    lid: Value
    height: Value
    u: Value
    gaze: Vector
    unit: Value


def eye_fields(place: Vector, mesh: Mesh, eye: points.Eye, blink: Value, motion: Motion) -> EyeFields:
    """``place``: the frame's places with the head's motion taken out."""
    frame = eye_frame(mesh, eye)
    at = frame.local(place)
    inner = curve(at.x, frame.local(mesh.pick(eye.upper)), LID_POINTS)
    bottom = curve(at.x, frame.local(mesh.pick(eye.lower)), LID_POINTS)
    top = inner - LASHES * (bottom - inner).max(0.0)
    edge = top + blink * (bottom - top + BELOW)
    skin, fold = skin_heights(mesh, eye, frame)
    start = at.y - (top - skin)
    over, under = LID_FADE[0] * fold, LID_FADE[1] * skin
    covered = smoothstep((start + over) / (over + under), 0.0, 1.0)
    sides = 1.0 - smoothstep(at.x.magnitude(), *LID_ENDS)
    lid = covered * sides * (blink * (1.0 / LID_STARTS)).min(1.0)
    height = (start / (edge - top + skin)).clip()
    inside = (at.y - top).min(bottom - at.y).max(0.0) / (0.5 * (bottom - top)).max(0.05)
    follows = smoothstep(inside, 0.0, 0.2) * smoothstep(1.0 - at.x.magnitude(), 0.0, 0.45)
    x, y = GAZE
    gaze = Vector(x * motion[Column.GAZE_X] * follows, y * motion[Column.GAZE_Y] * follows)
    return EyeFields(edge - at.y, lid, height, at.x, frame.image(gaze), frame.unit)


def skin_heights(mesh: Mesh, eye: points.Eye, frame: Frame) -> tuple[Value, Value]:
    """Heights of the open lid's skin, [B, 1, 1, 1]: from its edge to its middle, and on to its fold."""
    edge, middle, fold = (
        frame.local(mesh.pick(ids)).y.mean(1) for ids in (eye.upper[1:-1], eye.lid, eye.fold)
    )
    return (edge - middle).max(LEAST_SKIN), (middle - fold).max(LEAST_SKIN)


def over_eye(open_eye: Value, lid: Value, eye: EyeFields, lashes: Value, pixel: Value) -> Value:
    """``open_eye`` with the lid over it, both [B, 3, h, w]; ``pixel``: its size in the image."""
    at_edge = (eye.above_edge * (eye.unit / pixel) + 0.5).clip()
    drawn = open_eye + (lid - open_eye) * (eye.lid * at_edge)
    middle = (1.25 - eye.u.square()).clip()
    width = LASH_WIDTH * (LASH_ENDS + (1.0 - LASH_ENDS) * middle)
    lash = bump(eye.above_edge / width, 1.0) * middle * eye.lid
    return drawn + (lid * lashes - drawn) * lash


def brow_offset(at: Vector, mesh: Mesh, frame: Frame, motion: Motion) -> Vector:
    """Both brows, with the forehead above; ``at``: places in the face's frame."""
    raised = -0.034 * motion[Column.BROW]
    lift = raised * (_brow(at, mesh, frame, points.RIGHT_EYE) + _brow(at, mesh, frame, points.LEFT_EYE))
    return frame.image(Vector(lift * 0.0, lift))


def _brow(at: Vector, mesh: Mesh, frame: Frame, eye: points.Eye) -> Value:
    return bump2(at - frame.local(mesh.pick(eye.brow)).mean(), 0.17, 0.062)
