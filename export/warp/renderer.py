"""The frame renderer as one ONNX graph: portrait, mesh and motion in, a uint8 frame out.

The face is a thin sheet that is bent: smooth fields on a coarse grid say how far each place has
moved (``fields``, ``mouth``, ``eyes``). They are enlarged to the frame's size. Only there the
sharp things are decided, pixel by pixel: which side of the lips' and lids' edges a pixel is on.
Between the lips the inside of the mouth shows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx

from export.warp.eyes import EyeFields, brow_offset, eye_fields
from export.warp.fields import Frame, Mesh, Motion, coarse_places, face_frame, head_offset
from export.warp.graph import FLOAT, UINT8, Graph, Value, Vector, concat
from export.warp.interior import mouth_colours, sample, texture_places
from export.warp.mouth import MouthFields, mouth_fields, mouth_frame
from lumen.contracts import MESH_POINTS
from lumen.engines.warp import mesh_points as points
from lumen.engines.warp.columns import MOTION_WIDTH, Column

LIP_SOFTNESS: Final = 1.6
"""Pixels over which the inside of the mouth fades in behind a lip's edge."""


@dataclass(frozen=True)
class Fields:
    """What is enlarged to the frame's size; every plane [B, 1, S, S].

    offset: how far content has come, in the image. part: what the lower lip adds along the mouth's
    v. lid: what a lid adds, downwards. below_*: distances from edges, in the image.
    u, v: mouth coordinates.
    """

    offset: Vector
    part: Value
    lid: Value
    below_upper: Value
    below_lower: Value
    below_lid: Value
    u: Value
    v: Value


def build() -> onnx.ModelProto:
    """The renderer: ``crop`` UINT8 [B, S, S, 3], ``mesh`` FP32 [B, 468, 2], ``motion`` FP32 [B, P]
    -> ``frame`` UINT8 [B, S, S, 3]."""
    graph = Graph("warp_renderer")
    crop = graph.input("crop", UINT8, ["B", "S", "S", 3])
    mesh = Mesh(graph.input("mesh", FLOAT, ["B", MESH_POINTS, 2]))
    motion = motion_columns(graph.input("motion", FLOAT, ["B", MOTION_WIDTH]))
    image = crop.cast(FLOAT).transpose(0, 3, 1, 2)
    side = graph.op("Shape", crop, start=1, end=2)
    face, mouth = face_frame(mesh), mouth_frame(mesh)
    fields = enlarge(coarse_fields(graph, mesh, face, mouth, motion), side)
    half = side.cast(FLOAT) * 0.5
    skin = sample(image, bent_places(graph, fields, face, mouth, side, half))
    inside = sample(mouth_colours(graph, image, mesh, mouth, motion), texture_places(fields.u, fields.v))
    frame = compose(skin, inside, fields, half)
    graph.output(frame.transpose(0, 2, 3, 1).cast(UINT8), "frame", UINT8, ["B", "S", "S", 3])
    return graph.model()


def motion_columns(motion: Value) -> Motion:
    """[B, P] -> P values [B, 1, 1, 1]."""
    return dict(zip(Column, motion.reshape(0, -1, 1, 1).split(1, MOTION_WIDTH), strict=True))


def coarse_fields(graph: Graph, mesh: Mesh, face: Frame, mouth: Frame, motion: Motion) -> Fields:
    place = coarse_places(graph)
    head = head_offset(graph, place, face, motion)
    still = place - head
    lips = mouth_fields(still, mesh, mouth, motion)
    right = eye_fields(still, mesh, points.RIGHT_UPPER_LID, points.RIGHT_LOWER_LID, motion[Column.BLINK_RIGHT], motion)
    left = eye_fields(still, mesh, points.LEFT_UPPER_LID, points.LEFT_LOWER_LID, motion[Column.BLINK_LEFT], motion)
    at = face.local(still)
    offset = head + mouth.image(lips.offset) + right.offset + left.offset + brow_offset(at, mesh, face, motion)
    return join(graph, offset, lips, mouth, right, left, at)


def join(
    graph: Graph, offset: Vector, lips: MouthFields, mouth: Frame, right: EyeFields, left: EyeFields, at: Vector
) -> Fields:
    """The eyes share their planes: each has its half of the face."""
    on_right = graph.op("Less", at.x, 0.0)
    below_lid = graph.op("Where", on_right, right.below_lid, left.below_lid)
    return Fields(
        offset=offset,
        part=lips.part * mouth.unit,
        lid=graph.op("Where", on_right, right.lid, left.lid),
        below_upper=lips.below_upper * mouth.unit,
        below_lower=lips.below_lower * mouth.unit,
        below_lid=below_lid,
        u=lips.u,
        v=lips.v,
    )


def enlarge(fields: Fields, side: Value) -> Fields:
    """From [B, 1, G, G] to [B, 1, S, S]."""
    planes = concat(
        1, fields.offset.x, fields.offset.y, fields.part, fields.lid,
        fields.below_upper, fields.below_lower, fields.below_lid, fields.u, fields.v,
    )  # fmt: skip
    sizes = concat(0, side, side)
    large = planes.graph.op("Resize", planes, None, None, sizes, mode="linear", axes=[2, 3])
    x, y, part, lid, upper, lower, below_lid, u, v = large.split(1, 9)
    return Fields(Vector(x, y), part, lid, upper, lower, below_lid, u, v)


def bent_places(graph: Graph, fields: Fields, face: Frame, mouth: Frame, side: Value, half: Value) -> Vector:
    """Where in the portrait each pixel of the frame is taken from, [B, 1, S, S]."""
    opening = (fields.below_upper - fields.below_lower).max(1e-4)
    lower = (fields.below_upper / opening).clip() * fields.part
    on_lid = (0.5 - fields.below_lid * half).clip() * fields.lid
    down = mouth.down
    offset = fields.offset + down * lower + face.down * on_lid
    edge = 1.0 - 0.5 / half
    centres = pixel_centres(graph, side, half)
    row, column = centres.reshape(1, 1, 1, -1), centres.reshape(1, 1, -1, 1)
    taken = Vector(row - offset.x, column - offset.y)
    return Vector(taken.x.min(edge).max(-edge), taken.y.min(edge).max(-edge))


def pixel_centres(graph: Graph, side: Value, half: Value) -> Value:
    """Centres of S pixels in [-1, 1]."""
    start, step = graph.constant(np.array(0, np.int64)), graph.constant(np.array(1, np.int64))
    count = graph.op("Range", start, graph.op("Squeeze", side), step)
    return (count.cast(FLOAT) + 0.5) / half - 1.0


def compose(skin: Value, inside: Value, fields: Fields, half: Value) -> Value:
    """The mouth's inside behind the lips, rounded to whole levels: [B, 3, S, S]."""
    between = fields.below_upper.min(-fields.below_lower)
    alpha = (between * half * (1.0 / LIP_SOFTNESS)).clip()
    return skin.graph.op("Round", (skin + (inside - skin) * alpha).clip(0.0, 255.0))
