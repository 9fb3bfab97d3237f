"""The eyes: lids that close over them, where they look, and the brows."""

from dataclasses import dataclass
from typing import Final

from export.warp.fields import Frame, Mesh, Motion, bump2, curve, frame_between
from export.warp.graph import Value, Vector, bump
from lumen.engines.warp import mesh_points as points
from lumen.engines.warp.columns import Column

LID_POINTS: Final = len(points.RIGHT_UPPER_LID)

LID_REACH: Final = 0.78
"""How far above a closing lid the skin follows, in half-widths of the eye."""

SHUT: Final = 0.90
"""Where lids meet: this share of the eye's opening below the upper lid."""


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


def eye_fields(
    place: Vector, mesh: Mesh, upper: tuple[int, ...], lower: tuple[int, ...], blink: Value, motion: Motion
) -> EyeFields:
    frame = frame_between(mesh.point(upper[0]), mesh.point(upper[-1]))
    at = frame.local(place)
    top = curve(at.x, frame.local(mesh.pick(upper)), LID_POINTS)
    bottom = curve(at.x, frame.local(mesh.pick(lower)), LID_POINTS)
    opening = (bottom - top).max(0.0)
    drop = SHUT * blink * opening
    below = at.y - (top + drop)
    lid = drop * bump((-below).max(0.0), LID_REACH)
    rising = -0.10 * blink * opening * bump(at.y - bottom, 0.35)
    look = bump2(Vector(at.x, at.y - (top + bottom) * 0.5), 0.75, 0.5)
    gaze = Vector(0.14 * motion[Column.GAZE_X] * look, 0.09 * motion[Column.GAZE_Y] * look + rising)
    return EyeFields(below * frame.unit, lid * frame.unit, frame.image(gaze))


def brow_offset(at: Vector, mesh: Mesh, frame: Frame, motion: Motion) -> Vector:
    """Both brows, with the forehead above; ``at``: places in the face's frame."""
    raised = -0.034 * motion[Column.BROW]
    lift = raised * (_brow(at, mesh, frame, points.RIGHT_BROW) + _brow(at, mesh, frame, points.LEFT_BROW))
    return frame.image(Vector(lift * 0.0, lift))


def _brow(at: Vector, mesh: Mesh, frame: Frame, brow: tuple[int, ...]) -> Value:
    return bump2(at - frame.local(mesh.pick(brow)).mean(), 0.17, 0.062)
