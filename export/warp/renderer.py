"""The frame renderer as one ONNX graph: portrait, mesh and motion in, a uint8 frame out.

The face is a thin sheet that is bent: smooth fields on a coarse grid say how far each place has
moved (``fields``, ``mouth``, ``eyes``). They are enlarged to the frame's size. Only there the
sharp things are decided, pixel by pixel: which side of the lips' and lids' edges a pixel is on.
Between the lips the inside of the mouth shows.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx

from export.graph import FLOAT, UINT8, Graph, Value, concat
from export.warp.eyes import brow_offset, eye_fields
from export.warp.fields import Frame, Mesh, Motion, coarse_places, face_frame, head_offset
from export.warp.interior import lighting, mouth_colours, own_teeth, sample, texture_places
from export.warp.mouth import Opening, mouth_fields, mouth_frame, mouth_opening
from lumen.contracts import MESH_POINTS
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import MOTION_WIDTH, Column

LIP_SOFTNESS: Final = 1.6
"""Pixels over which the inside of the mouth fades in behind a lip's edge."""

LASH_WIDTH: Final = 0.011
"""Reach of the lashes' shade on both sides of a lid's edge, in the image."""

LASH_DARKNESS: Final = 0.75
"""How much of the light it takes."""

LASH_TRAVEL: Final = 0.02
"""Way of a lid, in the image, after which the shade is complete."""


@dataclass(frozen=True)
class Fields:
    """What is enlarged from [B, C, G, G] to [B, C, S, S]; lengths in the image.

    offset (C = 2): how far content has come. part (1): what the lower lip adds along the mouth's v.
    lid (1): what a lid adds, downwards. below_* (1): distances from edges, positive below them.
    inside (2): places in the texture of the mouth's inside.
    """

    offset: Value
    part: Value
    lid: Value
    below_upper: Value
    below_lower: Value
    below_lid: Value
    inside: Value


def build() -> onnx.ModelProto:
    """The renderer: ``crop`` UINT8 [B, S, S, 3], ``mesh`` FP32 [B, 468, 2], ``motion`` FP32 [B, P]
    -> ``frame`` UINT8 [B, S, S, 3]."""
    graph = Graph("warp_renderer")
    crop = graph.input("crop", UINT8, ["B", "S", "S", 3])
    mesh = Mesh(graph.input("mesh", FLOAT, ["B", MESH_POINTS, 2]))
    motion = motion_columns(graph.input("motion", FLOAT, ["B", MOTION_WIDTH]))
    image = crop.cast(FLOAT).transpose(0, 3, 1, 2)
    side = graph.op("Shape", crop, start=1, end=2)
    half = side.cast(FLOAT) * 0.5
    face, mouth = face_frame(mesh), mouth_frame(mesh)
    light = lighting(graph, image, mesh)
    opening = mouth_opening(mesh, face, mouth, own_teeth(graph, image, mesh, mouth, light), motion)
    fields = enlarge(coarse_fields(graph, mesh, face, mouth, opening, motion), side)
    skin = sample(image, bent_places(fields, face, mouth, side, half))
    inside = sample(mouth_colours(graph, mesh, mouth, opening, light), fields.inside)
    frame = compose(skin, inside, fields, half)
    graph.output(frame.transpose(0, 2, 3, 1).cast(UINT8), "frame", UINT8, ["B", "S", "S", 3])
    return graph.model()


def motion_columns(motion: Value) -> Motion:
    """[B, P] -> P values [B, 1, 1, 1]."""
    return dict(zip(Column, motion.reshape(0, -1, 1, 1).split(1, MOTION_WIDTH), strict=True))


def coarse_fields(
    graph: Graph, mesh: Mesh, face: Frame, mouth: Frame, opening: Opening, motion: Motion
) -> Fields:
    place = coarse_places(graph)
    head = head_offset(graph, place, face, motion)
    still = place - head
    lips = mouth_fields(still, mesh, mouth, opening, motion)
    right = eye_fields(still, mesh, points.RIGHT_EYE, motion[Column.BLINK_RIGHT], motion)
    left = eye_fields(still, mesh, points.LEFT_EYE, motion[Column.BLINK_LEFT], motion)
    at = face.local(still)
    offset = (
        head + mouth.image(lips.offset) + right.offset + left.offset + brow_offset(at, mesh, face, motion)
    )
    on_right = graph.op("Less", at.x, 0.0)  # the eyes share their planes: each has its half of the face
    return Fields(
        offset=offset.planes(),
        part=lips.part * mouth.unit,
        lid=graph.op("Where", on_right, right.lid, left.lid),
        below_upper=lips.below_upper * mouth.unit,
        below_lower=lips.below_lower * mouth.unit,
        below_lid=graph.op("Where", on_right, right.below_lid, left.below_lid),
        inside=texture_places(lips.at).planes(),
    )


def enlarge(fields: Fields, side: Value) -> Fields:
    sizes = concat(0, side, side)

    def large(planes: Value) -> Value:
        return planes.graph.op("Resize", planes, None, None, sizes, mode="linear", axes=[2, 3])

    return Fields(**{field.name: large(getattr(fields, field.name)) for field in dataclasses.fields(Fields)})


def bent_places(fields: Fields, face: Frame, mouth: Frame, side: Value, half: Value) -> Value:
    """Where in the portrait each pixel of the frame is taken from, [B, 2, S, S]."""
    opening = (fields.below_upper - fields.below_lower).max(1.0 / half)
    lower = (1.0 + fields.below_lower / opening).clip() * fields.part
    on_lid = (0.5 - fields.below_lid * half).clip() * fields.lid
    taken = (
        pixel_centres(side, half) - fields.offset - mouth.down.planes() * lower - face.down.planes() * on_lid
    )
    edge = 1.0 - 0.5 / half
    return taken.min(edge).max(-edge)


def pixel_centres(side: Value, half: Value) -> Value:
    """Centres of S x S pixels in [-1, 1]: [1, 2, S, S]."""
    graph = side.graph
    start, step = graph.constant(np.array(0, np.int64)), graph.constant(np.array(1, np.int64))
    count = graph.op("Range", start, graph.op("Squeeze", side), step)
    centres = (count.cast(FLOAT) + 0.5) / half - 1.0
    square = concat(0, graph.ints(1, 1), side, side)
    across = graph.op("Expand", centres.reshape(1, 1, 1, -1), square)
    return concat(1, across, across.transpose(0, 1, 3, 2))


def compose(skin: Value, inside: Value, fields: Fields, half: Value) -> Value:
    """The mouth's inside behind the lips, rounded to whole levels: [B, 3, S, S]."""
    between = fields.below_upper.min(-fields.below_lower)
    alpha = (between * (half * (1.0 / LIP_SOFTNESS))).clip()
    skin = skin * lash_shade(fields)
    return skin.graph.op("Round", (skin + (inside - skin) * alpha).clip(0.0, 255.0))


def lash_shade(fields: Fields) -> Value:
    """Lashes darken the edge of a lid that has come down."""
    at_edge = (1.0 - fields.below_lid.magnitude() * (1.0 / LASH_WIDTH)).max(0.0)
    return 1.0 - at_edge * (fields.lid * (LASH_DARKNESS / LASH_TRAVEL)).min(LASH_DARKNESS)
