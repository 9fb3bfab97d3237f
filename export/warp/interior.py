"""The inside of the mouth: teeth and tongue in the light of the portrait."""

from typing import Final

from export.graph import Graph, Value, Vector, smoothstep
from export.warp.fields import Frame, Mesh, Motion
from export.warp.mouth import Opening, centred, middle
from export.warp.mouth_texture import U_REACH, V_RANGE, FloatArray, lower_layers, upper_layers
from export.warp.picture import Light, Picture, brightness, channels, chroma, sample
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

ENAMEL: Final = (0.98, 0.92, 0.85)
LOWER_ENAMEL: Final = (0.66, 0.54, 0.48)
FLESH: Final = (0.78, 0.36, 0.34)
CAVITY: Final = (0.17, 0.06, 0.06)
"""Colours in white light, 0 to 1; the lower teeth lie in the lips' shadow and take on their colour."""

TONGUE_LIGHT: Final = 0.9
"""Share of the light that reaches the tongue."""

TIP: Final = (0.0, 0.22, 0.46, 0.20)
"""The tongue's tip behind the upper teeth: its middle in u and v below the lips' line, and its radii, in
half-widths of a typical mouth."""

TIP_RISES: Final = 0.10
"""Way in v on which it comes up."""

BEHIND_LIP: Final = 0.05
"""Height of the lower teeth's edges above the lower lip's edge, in half-widths of a typical
mouth."""

LIP_SHADOW: Final = 0.55
"""Share of the light that reaches what is right below the upper lip."""

ROUND_SHADOW: Final = 0.75
"""Darkening of teeth behind rounded lips, which stand off from them."""

AMBIENT: Final = 0.22
"""Light in the mouth of a face that is all dark."""

TEETH_GAP: Final = (0.03, 0.06)
"""Distances of a portrait's lips, in half-widths of the mouth, from which teeth may show, and do."""

TEETH_BRIGHTNESS: Final = (0.26, 0.42)
"""Brightness between them, relative to the skin's, from which they may be teeth, and are."""

TEETH_COLOUR: Final = (1.2, 1.45)
"""Colourfulness between them, relative to the lips', up to which they are teeth, and from which it is the
shadow between closed lips."""


def texture_places(at: Vector) -> Vector:
    """Mouth coordinates -> places in the texture, [-1, 1]."""
    low, high = V_RANGE
    return Vector(at.x * (1.0 / U_REACH), (at.y - 0.5 * (low + high)) * (2.0 / (high - low)))


def mouth_colours(
    graph: Graph, at: Vector, mesh: Mesh, mouth: Frame, opening: Opening, light: Light, motion: Motion
) -> Value:
    """The inside of the mouth at ``at``, mouth coordinates [B, 1, h, w] -> [B, 3, h, w], 0 to 255."""
    upper, lower = mouth.local(mesh.pick(points.LIP_CENTRE)).y.split(1, 2)
    line = (upper + lower) * 0.5
    across = Vector(centred(at.x, middle(mesh, mouth)), at.y)
    upper_shade, upper_mask = placed(across, upper_layers(), line, opening.size)
    jaw = lower + opening.drop - BEHIND_LIP * opening.size
    lower_shade, lower_mask, tongue_shade, tongue_mask = placed(across, lower_layers(), jaw, opening.size)
    tip_shade, tip_mask = tongue_tip(across, line, opening.size, motion[Column.TONGUE])
    flesh, enamel, dentine = (channels(graph, one) * light.tint for one in (FLESH, ENAMEL, LOWER_ENAMEL))
    colour = channels(graph, CAVITY) * light.tint
    colour = over(colour, flesh * (tongue_shade * TONGUE_LIGHT), tongue_mask)
    colour = over(colour, dentine * (lower_shade * (1.0 - ROUND_SHADOW * opening.rounded)), lower_mask)
    colour = over(colour, flesh * tip_shade, tip_mask)
    colour = over(
        colour,
        enamel * (upper_shade * (1.0 - ROUND_SHADOW * opening.rounded)),
        upper_mask * (1.0 - opening.teeth),
    )
    colour = over(brightness(graph, colour), colour, light.colour)
    strength = (AMBIENT + 0.92 * light.luma).clip(0.25, 1.0)
    return colour * lip_shadow(at.y, line - opening.lift) * (strength * 255.0)


def placed(at: Vector, layers: FloatArray, shift: Value, size: Value) -> list[Value]:
    """Shades and masks of ``layers`` float32 [C, h, w] at ``at``, each [B, 1, h, w]: ``size`` times as large,
    but not wider than drawn, and moved down by ``shift``, both [B, 1, 1, 1]."""
    where = Vector(at.x / size.min(1.0), (at.y - shift) / size)
    texture = shift.graph.constant(layers[None]).repeat(shift)
    return sample(texture, texture_places(where).planes()).split(1, len(layers))


def tongue_tip(at: Vector, line: Value, size: Value, raised: Value) -> tuple[Value, Value]:
    """Shade and mask of the tongue's tip, which comes up behind the upper teeth."""
    u, v, wide, high = TIP
    x = (at.x / size - u) * (1.0 / wide)
    y = ((at.y - line) / size - (v + TIP_RISES * (1.0 - raised))) * (1.0 / high)
    mask = smoothstep(1.0 - x.square() - y.square(), 0.0, 0.4) * raised
    return 1.0 - 0.25 * y.clip(-0.5, 1.0) - 0.2 * x.square(), mask


def over(below: Value, above: Value, mask: Value) -> Value:
    return below + (above - below) * mask


def lip_shadow(v: Value, edge: Value) -> Value:
    """The upper lip, whose edge is at ``edge``, shades what is right below it."""
    return LIP_SHADOW + (1.0 - LIP_SHADOW) * smoothstep(v - edge, -0.03, 0.15)


def own_teeth(graph: Graph, picture: Picture, mesh: Mesh, mouth: Frame, light: Light) -> Value:
    """Certainty that the portrait shows teeth of its own, 0 to 1: lips apart, and bright and pale between."""
    upper, lower = mesh.pick(points.INNER_UPPER_LIP[3:8]), mesh.pick(points.INNER_LOWER_LIP[3:8])
    gap = (mouth.local(lower).y - mouth.local(upper).y).mean(1)
    between = picture.mean_at(upper * 0.75 + lower * 0.25)
    lips = picture.mean_at((mesh.pick(points.OUTER_EDGE) + mesh.pick(points.INNER_EDGE)) * 0.5)
    colourful = chroma(graph, between) / (chroma(graph, lips) + 0.05)
    bright = brightness(graph, between) / light.luma
    seen = smoothstep(gap, *TEETH_GAP) * smoothstep(bright, *TEETH_BRIGHTNESS)
    return seen * (1.0 - smoothstep(colourful, *TEETH_COLOUR))
