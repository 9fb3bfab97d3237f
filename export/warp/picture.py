"""The part of the portrait that is drawn from, and what its colours tell about the light."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from export.graph import FLOAT, Graph, Value, Vector, concat, smoothstep
from export.warp.fields import Mesh, weighted_sum
from export.warp.windows import HEAD, cut
from lumen.families.warp import mesh_points as points

LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness."""

TYPICAL_SKIN: Final = (1.12, 0.97, 0.90)
"""Skin in white light, relative to its brightness: what differs from it is the light's tint."""

TINT_SHARE: Final = 0.75
"""Share of that tint that the mouth takes on."""

GREY_SKIN: Final = (0.02, 0.07)
"""Difference of the cheeks' strongest and weakest channel, relative to their brightness, up to which
a portrait has no colours, and from which it has."""


@dataclass(frozen=True)
class Picture:
    """The head's window of the portrait.

    planes: float32 [B, 3, N, M], 0 to 255. edges: x and y in [-1, 1] of the window up to which
    sampling sees only its pixels, [1, 2, 1, 1].
    """

    planes: Value
    edges: Value

    def at(self, place: Vector) -> Value:
        """Colours at places of the frame, x and y [B, 1, h, w] -> [B, 3, h, w]."""
        return self.at_places(in_window(place))

    def at_places(self, places: Value) -> Value:
        """The same at places in [-1, 1] of the window, [B, 2, h, w]."""
        return sample(self.planes, places.min(self.edges).max(-self.edges))

    def mean_at(self, place: Vector) -> Value:
        """Mean colour at K points [B, K, 1, 1] -> [B, 3, 1, 1], 0 to 1."""
        x, y = (one.transpose(0, 2, 3, 1) for one in (place.x, place.y))
        colours = self.at(Vector(x, y))
        count = place.x.graph.op("Shape", place.x, start=1, end=2).cast(FLOAT)
        total = weighted_sum(place.x * 0.0 + 1.0, colours.transpose(0, 3, 1, 2))
        return total.transpose(0, 2, 3, 1) / (count * 255.0)


def rows_between(first: Vector, second: Vector, heights: Sequence[float]) -> Vector:
    """R rows of places between two rows of points [B, K, 1, 1], or beyond: [B, 1, R, K]."""
    steps = first.x.graph.constant(np.array(heights, np.float32).reshape(1, 1, -1, 1))
    starts, ends = (Vector(*(one.transpose(0, 2, 3, 1) for one in (row.x, row.y))) for row in (first, second))
    return starts + (ends - starts) * steps


@dataclass(frozen=True)
class Light:
    """The light of a portrait: brightness [B, 1, 1, 1], 0 to 1, tint [B, 3, 1, 1], 1 for white, and
    colour [B, 1, 1, 1], from 0 in a picture in black and white to 1."""

    luma: Value
    tint: Value
    colour: Value


def picture_of(crop: Value) -> Picture:
    """``crop``: uint8 [B, S, S, 3]."""
    planes = cut(crop).transpose(0, 3, 1, 2).cast(FLOAT)
    height, width = (
        planes.graph.op("Shape", planes, start=axis, end=axis + 1).cast(FLOAT) for axis in (2, 3)
    )
    return Picture(planes, (1.0 - 1.0 / concat(0, width, height)).reshape(1, 2, 1, 1))


def in_window(place: Vector) -> Value:
    """Places of the frame, x and y [B, 1, h, w] -> [B, 2, h, w] in [-1, 1] of the head's window."""
    graph = place.x.graph
    centre, reach = (np.array(pair, np.float32).reshape(1, 2, 1, 1) for pair in (HEAD.centre, HEAD.reach))
    return (place.planes() - graph.constant(centre)) * graph.constant(1 / reach)


def sample(image: Value, places: Value) -> Value:
    """image [B, C, H, W] at places [B, 2, h, w] -> [B, C, h, w]; zero outside."""
    grid = places.transpose(0, 2, 3, 1)
    # "zeros" and not "border": ONNX Runtime's CPU kernel is four times as fast with it.
    return image.graph.op("GridSample", image, grid, mode="linear", padding_mode="zeros", align_corners=0)


def lighting(graph: Graph, picture: Picture, mesh: Mesh) -> Light:
    """The light, from the skin of the cheeks."""
    skin = picture.mean_at(mesh.pick(points.CHEEKS))
    luma = brightness(graph, skin).max(0.02)
    cast = (skin / luma - channels(graph, TYPICAL_SKIN)) * TINT_SHARE
    return Light(luma, (1.0 + cast).max(0.1), smoothstep(chroma(graph, skin), *GREY_SKIN))


def chroma(graph: Graph, colour: Value) -> Value:
    """Difference of the strongest and the weakest channel, relative to the brightness."""
    strongest, weakest = (graph.op(kind, colour, graph.ints(1)) for kind in ("ReduceMax", "ReduceMin"))
    return (strongest - weakest) / brightness(graph, colour).max(0.02)


def brightness(graph: Graph, colour: Value) -> Value:
    return (colour * channels(graph, LUMA)).sum(1)


def channels(graph: Graph, numbers: tuple[float, float, float]) -> Value:
    """Red, green and blue as [1, 3, 1, 1]."""
    return graph.constant(np.array(numbers, np.float32).reshape(1, 3, 1, 1))
