"""The frame renderer as one ONNX graph: portrait, mesh and motion in, a uint8 frame out.

The face is a thin sheet that is bent: smooth fields on a coarse grid over the head say how far each
place has moved (``fields``, ``mouth``, ``eyes``), and are enlarged to the head's window. Around
mouth and eyes they are computed pixel by pixel, and the sharp things are decided: which side of the
lips' and lids' edges a pixel is on. Between the lips the inside of the mouth shows. What is outside
the head's window is the portrait.
"""

from dataclasses import dataclass
from typing import Final

import onnx

from export.graph import FLOAT, UINT8, Graph, Value, Vector
from export.warp.eyes import brow_offset, eye_fields, over_eye
from export.warp.fields import Frame, Mesh, Motion, face_frame, head_offset
from export.warp.interior import mouth_colours, own_teeth
from export.warp.lids import Lid, lid_colours, lids_of
from export.warp.mouth import Opening, mouth_fields, mouth_frame, mouth_opening
from export.warp.picture import Light, Picture, in_window, lighting, picture_of
from export.warp.windows import (
    EYE_SIZE,
    GRID,
    HEAD,
    MOUTH_SIZE,
    Pixels,
    head_pixels,
    nodes,
    paste,
    put_back,
    small_window,
)
from lumen.contracts import MESH_POINTS
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import MOTION_WIDTH, Column

LIP_SOFTNESS: Final = 1.6
"""Pixels over which the inside of the mouth fades in behind a lip's edge."""

NODE: Final = 2 * HEAD.reach[1] / (GRID[0] - 1)
"""Distance of the coarse grid's rows in the image: nothing changes over less there."""

MOUTH_BELOW: Final = 0.35
"""Distance from the lips' line down to the middle of the mouth's window, in half-widths of the mouth."""


@dataclass(frozen=True)
class EyeWindow:
    """An eye, what shuts it, and where in its window the place between the eyes lies."""

    points: points.Eye
    blink: Column
    anchor: tuple[float, float]


EYES: Final = (
    EyeWindow(points.RIGHT_EYE, Column.BLINK_RIGHT, (0.5, 1.0)),
    EyeWindow(points.LEFT_EYE, Column.BLINK_LEFT, (0.5, 0.0)),
)


@dataclass(frozen=True)
class Person:
    """Inputs of all parts of the graph: the portrait, its mesh, its light, and the motion."""

    picture: Picture
    mesh: Mesh
    face: Frame
    mouth: Frame
    light: Light
    opening: Opening
    motion: Motion


@dataclass(frozen=True)
class Offsets:
    """Ways that content has come at the coarse grid's nodes, [B, 2, G, H], in the image.

    head: with the head. whole: with the head, the mouth, the jaw and the brows. places: where it comes
    from by that, in [-1, 1] of the head's window.
    """

    head: Value
    whole: Value
    places: Value


def build() -> onnx.ModelProto:
    """The renderer: ``crop`` UINT8 [B, S, S, 3], ``mesh`` FP32 [B, 468, 3], ``motion`` FP32 [B, P]
    -> ``frame`` UINT8 [B, S, S, 3]."""
    graph = Graph("warp_renderer")
    crop = graph.input("crop", UINT8, ["B", "S", "S", 3])
    mesh = Mesh(graph.input("mesh", FLOAT, ["B", MESH_POINTS, 3]))
    motion = motion_columns(graph.input("motion", FLOAT, ["B", MOTION_WIDTH]))
    side = graph.op("Shape", crop, start=1, end=2)
    pixel = 2.0 / side.cast(FLOAT)
    who = person(graph, picture_of(crop), mesh, motion)
    offsets = coarse_offsets(graph, who)
    pixels = head_pixels(side)
    head = levels(who.picture.at_places(pixels.enlarge(offsets.places)))
    around_mouth = small_window(mouth_middle(who), MOUTH_SIZE, side)
    drawn = [(around_mouth, drawn_mouth(graph, who, around_mouth, offsets, pixel))]
    for eye, lid in zip(EYES, lids_of(graph, who.picture, mesh), strict=True):
        around = small_window(mesh.pick(points.INNER_EYE_CORNERS).mean(), EYE_SIZE, side, eye.anchor)
        drawn.append((around, drawn_eye(who, eye, around, offsets, lid, side)))
    head = paste(head, side, [(window, levels(colours.clip(0.0, 255.0))) for window, colours in drawn])
    graph.output(put_back(crop, head), "frame", UINT8, ["B", "S", "S", 3])
    return graph.model()


def person(graph: Graph, picture: Picture, mesh: Mesh, motion: Motion) -> Person:
    face, mouth = face_frame(mesh), mouth_frame(mesh)
    light = lighting(graph, picture, mesh)
    teeth = own_teeth(graph, picture, mesh, mouth, light)
    opening = mouth_opening(mesh, face, mouth, teeth, motion)
    return Person(picture, mesh, face, mouth, light, opening, motion)


def motion_columns(motion: Value) -> Motion:
    """[B, P] -> P values [B, 1, 1, 1]."""
    return dict(zip(Column, motion.reshape(0, -1, 1, 1).split(1, MOTION_WIDTH), strict=True))


def mouth_middle(who: Person) -> Vector:
    """Middle of the mouth's window, [B, 1, 1, 1]."""
    return who.mouth.origin + who.mouth.down * (who.mouth.unit * MOUTH_BELOW)


def coarse_offsets(graph: Graph, who: Person) -> Offsets:
    place = nodes(graph)
    head = head_offset(place, who.mesh, who.face, who.motion)
    still = place - head
    lips = mouth_fields(still, who.mesh, who.mouth, who.opening, who.motion)
    brows = brow_offset(who.face.local(still), who.mesh, who.face, who.motion)
    whole = head + who.mouth.image(lips.moved(NODE / who.mouth.unit)) + brows
    return Offsets(head.planes(), whole.planes(), in_window(place - whole))


def moved_places(pixels: Pixels, offsets: Value) -> Vector:
    """Places of the portrait that the content of ``pixels`` comes from."""
    x, y = pixels.enlarge(offsets).split(1, 2)
    return pixels.places - Vector(x, y)


def drawn_mouth(graph: Graph, who: Person, pixels: Pixels, offsets: Offsets, pixel: Value) -> Value:
    """Lips, and the mouth's inside behind them: [B, 3, h, w]."""
    still = moved_places(pixels, offsets.head)
    lips = mouth_fields(still, who.mesh, who.mouth, who.opening, who.motion)
    unit = who.mouth.unit
    skin = who.picture.at(still - who.mouth.image(lips.moved(pixel / unit)))
    inside = mouth_colours(graph, lips.at, who.mesh, who.mouth, who.opening, who.light, who.motion)
    between = lips.below_upper.min(-lips.below_lower) * unit
    alpha = (between / (pixel * LIP_SOFTNESS)).clip()
    return skin + (inside - skin) * alpha


def drawn_eye(who: Person, eye: EyeWindow, pixels: Pixels, offsets: Offsets, lid: Lid, side: Value) -> Value:
    """An eye with what is around it: [B, 3, h, w]."""
    pixel = 2.0 / side.cast(FLOAT)
    still, taken = (moved_places(pixels, one) for one in (offsets.head, offsets.whole))
    fields = eye_fields(still, who.mesh, eye.points, who.motion[eye.blink], who.motion)
    open_eye, cheek = who.picture.at(taken - fields.gaze), who.picture.at(taken + lid.grain)
    colours = lid_colours(lid, fields.u, fields.height, cheek, side)
    return over_eye(open_eye, colours, fields, lid.lashes, pixel)


def levels(colours: Value) -> Value:
    """Colours [B, 3, h, w], 0 to 255 -> whole levels, uint8 [B, h, w, 3]."""
    rounded = colours.graph.op("Round", colours)
    return rounded.cast(UINT8).transpose(0, 2, 3, 1)
