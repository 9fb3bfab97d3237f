"""The inside of the mouth: teeth and tongue in the light of the portrait."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from export.graph import Graph, Value, Vector, smoothstep
from export.warp.fields import Frame, Mesh
from export.warp.mouth import Opening
from export.warp.mouth_texture import LAYERS, U_REACH, V_RANGE, mouth_layers, texel_centres
from lumen.families.warp import mesh_points as points

LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness."""

ENAMEL: Final = (0.98, 0.91, 0.83)
LOWER_ENAMEL: Final = (0.66, 0.53, 0.47)
FLESH: Final = (0.80, 0.36, 0.34)
CAVITY: Final = (0.17, 0.06, 0.06)
"""Colours in white light, 0 to 1; the lower teeth lie in the lips' shadow and take on their colour."""

TONGUE_LIGHT: Final = 0.9
"""Share of the light that reaches the tongue."""

BEHIND_LIP: Final = 0.05
"""How far the edges of the lower teeth stand above the lower lip's edge, in half-widths of a typical
mouth."""

LIP_SHADOW: Final = 0.34
"""Share of the light that reaches what is right below the upper lip."""

AMBIENT: Final = 0.22
"""Light in the mouth of a face that is all dark."""

TYPICAL_SKIN: Final = (1.12, 0.97, 0.90)
"""Skin in white light, relative to its brightness: what differs from it is the light's tint."""

GREY_SKIN: Final = (0.02, 0.07)
"""Difference of the cheeks' strongest and weakest channel, relative to their brightness, up to which
a portrait has no colours, and from which it has."""

TEETH_GAP: Final = (0.03, 0.06)
"""Distances of a portrait's lips, in half-widths of the mouth, from which teeth may show, and do."""

TEETH_BRIGHTNESS: Final = (0.26, 0.42)
"""Brightness between them, relative to the skin's, from which they may be teeth, and are."""

TINT_SHARE: Final = 0.75
"""How much of that tint the mouth takes on."""


@dataclass(frozen=True)
class Light:
    """The light of a portrait: brightness [B, 1, 1, 1], 0 to 1, tint [B, 3, 1, 1], 1 for white, and
    colour [B, 1, 1, 1], from 0 in a picture in black and white to 1."""

    luma: Value
    tint: Value
    colour: Value


def sample(image: Value, places: Value) -> Value:
    """image [B, C, H, W] at places [B, 2, h, w] -> [B, C, h, w]; zero outside."""
    grid = places.transpose(0, 2, 3, 1)
    # "zeros" and not "border": ONNX Runtime's CPU kernel is four times as fast with it.
    return image.graph.op("GridSample", image, grid, mode="linear", padding_mode="zeros", align_corners=0)


def texture_places(at: Vector) -> Vector:
    """Mouth coordinates -> places in the texture, [-1, 1]."""
    low, high = V_RANGE
    return Vector(at.x * (1.0 / U_REACH), (at.y - 0.5 * (low + high)) * (2.0 / (high - low)))


def mouth_colours(graph: Graph, mesh: Mesh, mouth: Frame, opening: Opening, light: Light) -> Value:
    """The inside of the mouth in mouth coordinates, [B, 3, h, w], 0 to 255."""
    upper, lower = mouth.local(mesh.pick(points.LIP_CENTRE)).y.split(1, 2)
    line = (upper + lower) * 0.5
    layers = graph.constant(mouth_layers())
    upper_shade, upper_mask, *_ = placed(graph, layers, line, opening.size)
    jaw = lower + opening.drop - BEHIND_LIP * opening.size
    *_, lower_shade, lower_mask, tongue_shade, tongue_mask = placed(graph, layers, jaw, opening.size)
    flesh, enamel, dentine = (coloured(graph, colour, light.tint) for colour in (FLESH, ENAMEL, LOWER_ENAMEL))
    colour = coloured(graph, CAVITY, light.tint)
    colour = over(colour, flesh * (tongue_shade * TONGUE_LIGHT), tongue_mask)
    colour = over(colour, dentine * lower_shade, lower_mask)
    colour = over(colour, enamel * upper_shade, upper_mask * (1.0 - opening.teeth))
    colour = over(brightness(graph, colour), colour, light.colour)
    strength = (AMBIENT + 0.92 * light.luma).clip(0.25, 1.0)
    return colour * lip_shadow(graph, line - opening.lift) * (strength * 255.0)


def placed(graph: Graph, layers: Value, shift: Value, size: Value) -> list[Value]:
    """Shades and masks of all layers, each [B, 1, h, w]: ``size`` times as large, but not wider than
    drawn, and moved down by ``shift``, both [B, 1, 1, 1]."""
    u, v = texel_centres()
    x = graph.constant(u[None, None]) / size.min(1.0)
    y = (graph.constant(v[None, None]) - shift) / size
    blank = graph.constant(np.zeros((1, 1, len(v), u.shape[1]), np.float32))
    at = Vector(x + blank, y + blank)
    return sample(layers.repeat(shift), texture_places(at).planes()).split(1, LAYERS)


def over(below: Value, above: Value, mask: Value) -> Value:
    return below + (above - below) * mask


def coloured(graph: Graph, colour: tuple[float, float, float], tint: Value) -> Value:
    return graph.constant(np.array(colour, np.float32).reshape(1, 3, 1, 1)) * tint


def lip_shadow(graph: Graph, edge: Value) -> Value:
    """The upper lip, whose edge is at ``edge``, shades what is right below it."""
    v = graph.constant(texel_centres()[1][None, None])
    return LIP_SHADOW + (1.0 - LIP_SHADOW) * smoothstep(v - edge, -0.03, 0.24)


def lighting(graph: Graph, image: Value, mesh: Mesh) -> Light:
    """The light, from the skin of the cheeks."""
    skin = colour_at(image, mesh.pick(points.CHEEKS))
    luma = brightness(graph, skin).max(0.02)
    typical = graph.constant(np.array(TYPICAL_SKIN, np.float32).reshape(1, 3, 1, 1))
    cast = (skin / luma - typical) * TINT_SHARE
    chroma = (graph.op("ReduceMax", skin, graph.ints(1)) - graph.op("ReduceMin", skin, graph.ints(1))) / luma
    return Light(luma, (1.0 + cast).max(0.1), smoothstep(chroma, *GREY_SKIN))


def own_teeth(graph: Graph, image: Value, mesh: Mesh, mouth: Frame, light: Light) -> Value:
    """How surely the portrait shows teeth of its own, 0 to 1: its lips are apart and it is bright between."""
    upper, lower = mesh.pick(points.INNER_UPPER_LIP[3:8]), mesh.pick(points.INNER_LOWER_LIP[3:8])
    gap = (mouth.local(lower).y - mouth.local(upper).y).mean(1)
    bright = brightness(graph, colour_at(image, upper * 0.75 + lower * 0.25)) / light.luma
    return smoothstep(gap, *TEETH_GAP) * smoothstep(bright, *TEETH_BRIGHTNESS)


def colour_at(image: Value, places: Vector) -> Value:
    """Mean colour at K points [B, K, 1, 1] -> [B, 3, 1, 1], 0 to 1."""
    across = Vector(places.x.transpose(0, 2, 3, 1), places.y.transpose(0, 2, 3, 1))
    return sample(image, across.planes()).mean(3) * (1.0 / 255.0)


def brightness(graph: Graph, colour: Value) -> Value:
    return (colour * graph.constant(np.array(LUMA, np.float32).reshape(1, 3, 1, 1))).sum(1)
