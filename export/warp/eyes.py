"""The eyes: lids that close over them, where they look, and the brows."""

from dataclasses import dataclass
from typing import Final

from export.graph import Value, Vector, bump, smoothstep
from export.warp.fields import Frame, Mesh, Motion, bump2, curve, frame_between
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

LID_POINTS: Final = len(points.RIGHT_EYE.upper)

LID_REACH: Final = 0.92
"""How far above a closing lid the skin follows, as a share of the way to the brow."""

LID_LIMITS: Final = (0.85, 1.8)
"""The same in half-widths of the eye: the limits."""

LASHES: Final = 0.06
"""How far above the mesh's line a lid ends, in openings of the eye: the line tends to run inside it."""

SHUT: Final = 1.15
"""How far a lid comes down, in openings of the eye; over 1, so that nothing shows below it."""


@dataclass(frozen=True)
class EyeFields:
    """Fields of one eye, [B, 1, G, G]; lengths in the image.

    below_lid: how far below the upper lid's edge a place lies.
    lid: how far the upper lid carries what is above its edge, downwards.
    offset: how far anything around the eye is carried: gaze and the lower lid.
    """

    below_lid: Value
    lid: Value
    offset: Vector


def eye_fields(place: Vector, mesh: Mesh, eye: points.Eye, blink: Value, motion: Motion) -> EyeFields:
    """``place``: the frame's places with the head's motion taken out."""
    frame = frame_between(mesh.point(eye.upper[0]), mesh.point(eye.upper[-1]))
    at = frame.local(place)
    upper, lower = frame.local(mesh.pick(eye.upper)), frame.local(mesh.pick(eye.lower))
    inner, bottom = curve(at.x, upper, LID_POINTS), curve(at.x, lower, LID_POINTS)
    top = inner - LASHES * (bottom - inner).max(0.0)
    opening = bottom - top
    drop = SHUT * blink * opening
    below = at.y - (top + drop)
    reach = (upper.y.mean(1) - frame.local(mesh.pick(eye.brow)).y.mean(1)) * LID_REACH
    low, high = LID_LIMITS
    lid = drop * (1.0 - smoothstep((-below) / reach.clip(low, high), 0.0, 1.0))
    rising = -0.10 * blink * opening * bump(at.y - bottom, 0.35)
    look = bump2(Vector(at.x, at.y - (top + bottom) * 0.5), 0.75, 0.5)
    gaze = Vector(0.14 * motion[Column.GAZE_X] * look, 0.09 * motion[Column.GAZE_Y] * look + rising)
    return EyeFields(below * frame.unit, lid * frame.unit, frame.image(gaze))


def brow_offset(at: Vector, mesh: Mesh, frame: Frame, motion: Motion) -> Vector:
    """Both brows, with the forehead above; ``at``: places in the face's frame."""
    raised = -0.034 * motion[Column.BROW]
    lift = raised * (_brow(at, mesh, frame, points.RIGHT_EYE) + _brow(at, mesh, frame, points.LEFT_EYE))
    return frame.image(Vector(lift * 0.0, lift))


def _brow(at: Vector, mesh: Mesh, frame: Frame, eye: points.Eye) -> Value:
    return bump2(at - frame.local(mesh.pick(eye.brow)).mean(), 0.17, 0.062)
