"""The inside of the mouth: teeth and tongue in the light of the portrait."""

from typing import Final

import numpy as np

from export.warp.fields import Frame, Mesh, Motion
from export.warp.graph import Graph, Value, Vector, smoothstep
from export.warp.mouth import DROP, LIFT, RAISE
from export.warp.mouth_texture import LAYERS, U_REACH, V_RANGE, mouth_layers, texel_centres
from lumen.engines.warp import mesh_points as points
from lumen.engines.warp.columns import Column

LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness."""

ENAMEL: Final = (0.98, 0.91, 0.83)
FLESH: Final = (0.80, 0.36, 0.34)
CAVITY: Final = (0.17, 0.06, 0.06)
"""Colours in white light, 0 to 1."""

TONGUE_LIGHT: Final = 0.9
LOWER_LIGHT: Final = 0.62
"""Share of the light that reaches tongue and lower teeth."""

BEHIND_LIP: Final = 0.09
"""How far the edges of the lower teeth stand above the lower lip's edge, in half-widths of the mouth."""

LIP_SHADOW: Final = 0.34
"""Share of the light that reaches what is right below the upper lip."""

AMBIENT: Final = 0.22
"""Light in the mouth of a face that is all dark."""

TYPICAL_SKIN: Final = (1.12, 0.97, 0.90)
"""Skin in white light, relative to its brightness: what differs from it is the light's tint."""

TEETH_GAP: Final = (0.03, 0.06)
"""Distances of a portrait's lips, in half-widths of the mouth, from which teeth may show, and do."""

TEETH_BRIGHTNESS: Final = (0.26, 0.42)
"""Brightness between them, relative to the skin's, from which they may be teeth, and are."""

TINT_SHARE: Final = 0.75
"""How much of that tint the mouth takes on."""


def sample(image: Value, places: Value) -> Value:
    """image [B, C, H, W] at places [B, 2, h, w] -> [B, C, h, w]; zero outside."""
    grid = places.transpose(0, 2, 3, 1)
    # "zeros" and not "border": ONNX Runtime's CPU kernel is four times as fast with it.
    return image.graph.op("GridSample", image, grid, mode="linear", padding_mode="zeros", align_corners=0)


def texture_places(at: Vector) -> Vector:
    """Mouth coordinates -> places in the texture, [-1, 1]."""
    low, high = V_RANGE
    return Vector(at.x * (1.0 / U_REACH), (at.y - 0.5 * (low + high)) * (2.0 / (high - low)))


def mouth_colours(graph: Graph, image: Value, mesh: Mesh, mouth: Frame, motion: Motion) -> Value:
    """The inside of the mouth in mouth coordinates, [B, 3, h, w], 0 to 255."""
    luma, tint = lighting(graph, image, mesh)
    line = mouth.local(mesh.pick(points.LIP_CENTRE)).y.mean(1)
    jaw = line + DROP * motion[Column.OPEN]
    layers = graph.constant(mouth_layers())
    upper_shade, upper_mask, *_ = placed(graph, layers, line)
    upper_mask = upper_mask * (1.0 - own_teeth(graph, image, mesh, mouth, luma))
    *_, lower_shade, lower_mask, tongue_shade, tongue_mask = placed(graph, layers, jaw - BEHIND_LIP)
    flesh, enamel = coloured(graph, FLESH, tint), coloured(graph, ENAMEL, tint)
    colour = coloured(graph, CAVITY, tint)
    colour = over(colour, flesh * (tongue_shade * TONGUE_LIGHT), tongue_mask)
    colour = over(colour, enamel * (lower_shade * LOWER_LIGHT), lower_mask)
    colour = over(colour, enamel * upper_shade, upper_mask)
    light = (AMBIENT + 0.92 * luma).clip(0.25, 1.0)
    return colour * lip_shadow(graph, line, motion) * (light * 255.0)


def placed(graph: Graph, layers: Value, shift: Value) -> list[Value]:
    """Shades and masks of all layers, moved down by ``shift`` [B, 1, 1, 1]: each [B, 1, h, w]."""
    u, v = np.broadcast_arrays(*texel_centres())
    at = Vector(graph.constant(u[None, None]).repeat(shift), graph.constant(v[None, None]) - shift)
    return sample(layers.repeat(shift), texture_places(at).planes()).split(1, LAYERS)


def over(below: Value, above: Value, mask: Value) -> Value:
    return below + (above - below) * mask


def coloured(graph: Graph, colour: tuple[float, float, float], tint: Value) -> Value:
    return graph.constant(np.array(colour, np.float32).reshape(1, 3, 1, 1)) * tint


def lip_shadow(graph: Graph, line: Value, motion: Motion) -> Value:
    """The upper lip shades what is right below it."""
    v = graph.constant(texel_centres()[1][None, None])
    edge = line - LIFT * motion[Column.OPEN] - RAISE * motion[Column.RAISE]
    return LIP_SHADOW + (1.0 - LIP_SHADOW) * smoothstep(v - edge, -0.03, 0.24)


def lighting(graph: Graph, image: Value, mesh: Mesh) -> tuple[Value, Value]:
    """Brightness [B, 1, 1, 1] and tint [B, 3, 1, 1] of the light, from the skin of the cheeks."""
    skin = colour_at(image, mesh.pick(points.CHEEKS))
    luma = brightness(graph, skin).max(0.02)
    typical = graph.constant(np.array(TYPICAL_SKIN, np.float32).reshape(1, 3, 1, 1))
    cast = (skin / luma - typical) * TINT_SHARE
    return luma, (1.0 + cast).max(0.1)


def own_teeth(graph: Graph, image: Value, mesh: Mesh, mouth: Frame, luma: Value) -> Value:
    """How surely the portrait shows teeth of its own, 0 to 1: its lips are apart and it is bright between."""
    upper, lower = mesh.pick(points.INNER_UPPER_LIP[3:8]), mesh.pick(points.INNER_LOWER_LIP[3:8])
    gap = (mouth.local(lower).y - mouth.local(upper).y).mean(1)
    bright = brightness(graph, colour_at(image, upper * 0.75 + lower * 0.25)) / luma
    return smoothstep(gap, *TEETH_GAP) * smoothstep(bright, *TEETH_BRIGHTNESS)


def colour_at(image: Value, places: Vector) -> Value:
    """Mean colour at K points [B, K, 1, 1] -> [B, 3, 1, 1], 0 to 1."""
    across = Vector(places.x.transpose(0, 2, 3, 1), places.y.transpose(0, 2, 3, 1))
    return sample(image, across.planes()).mean(3) * (1.0 / 255.0)


def brightness(graph: Graph, colour: Value) -> Value:
    return (colour * graph.constant(np.array(LUMA, np.float32).reshape(1, 3, 1, 1))).sum(1)
