"""Windows of the frame: all that moves lies in the head's, all that is sharp in those of mouth and eyes.

Pixels outside the head's window are those of the portrait. Inside it, fields are computed at the
nodes of a coarse grid and enlarged by two matrix products; in the small windows they are computed
pixel by pixel.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from export.graph import FLOAT, INT64, Graph, Value, Vector, concat

GRID: Final = (56, 48)
"""Rows and columns of the coarse grid's nodes (G, H); the outermost lie on the window's border."""


@dataclass(frozen=True)
class Window:
    """A fixed part of the frame: its first and last row and column, as fractions of the side in 32nds."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """x and y in [-1, 1] of the frame."""
        return sum(self.columns) / 32 - 1, sum(self.rows) / 32 - 1

    @property
    def reach(self) -> tuple[float, float]:
        """Half of its width and height in the same unit."""
        return (self.columns[1] - self.columns[0]) / 32, (self.rows[1] - self.rows[0]) / 32


HEAD: Final = Window(rows=(1, 29), columns=(4, 28))
"""Head, hair and neck: the crop has the face in its middle."""

MOUTH_SIZE: Final = (8, 11)
"""Height and width of the mouth's window, in 32nds of the side: an open mouth in a moving head."""

EYE_SIZE: Final = (6, 7)
"""Height and width of each eye's, in a head that may be tilted; the two meet between the eyes."""


def nodes(graph: Graph) -> Vector:
    """Places of the coarse grid's nodes, x [1, 1, 1, H] and y [1, 1, G, 1]."""
    (x, y), (wide, high) = HEAD.centre, HEAD.reach
    rows, columns = (np.linspace(-1, 1, count, dtype=np.float32) for count in GRID)
    return Vector(
        graph.constant((x + wide * columns).reshape(1, 1, 1, -1).astype(np.float32)),
        graph.constant((y + high * rows).reshape(1, 1, -1, 1).astype(np.float32)),
    )


@dataclass(frozen=True)
class Pixels:
    """A window of n x m pixels.

    rows, columns: int64 [B or 1, n] and [B or 1, m], of the frame. places: their centres in [-1, 1],
    x [B or 1, 1, 1, m] and y [B or 1, 1, n, 1].
    """

    rows: Value
    columns: Value
    places: Vector

    def enlarge(self, planes: Value) -> Value:
        """Values at the coarse grid's nodes, [B, C, G, H] -> at these pixels, [B, C, n, m]."""
        (x, y), (wide, high) = HEAD.centre, HEAD.reach
        down = _weights((self.places.y - y) * (1 / high), GRID[0], axis=3)
        across = _weights((self.places.x - x) * (1 / wide), GRID[1], axis=2)
        product = planes.graph.op
        return product("MatMul", product("MatMul", down, planes), across)


def _weights(place: Value, count: int, axis: int) -> Value:
    """Weights of ``count`` nodes, along ``axis``, at places in [-1, 1]: linear interpolation."""
    shape = [1, 1, 1, 1]
    shape[axis] = count
    node = place.graph.constant(np.arange(count, dtype=np.float32).reshape(shape))
    return (1.0 - ((place + 1.0) * (0.5 * (count - 1)) - node).magnitude()).max(0.0)


def head_pixels(side: Value) -> Pixels:
    """Pixels of the head's whole window; ``side`` int64 [1]."""
    (top, bottom), (left, right) = ((_part(side, a), _part(side, b)) for a, b in (HEAD.rows, HEAD.columns))
    rows, columns = _range(top, bottom), _range(left, right)
    return _pixels(rows.reshape(1, -1), columns.reshape(1, -1), side)


def small_window(
    place: Vector, size: tuple[int, int], side: Value, anchor: tuple[float, float] = (0.5, 0.5)
) -> Pixels:
    """Pixels of a window of which ``place`` [B, 1, 1, 1] lies at ``anchor``, moved inside the head's.

    ``anchor``: from top to bottom and from left to right, 0 to 1.
    """
    lines = []
    for middle, share, length, (low, high) in zip(
        (place.y, place.x), anchor, size, (HEAD.rows, HEAD.columns), strict=True
    ):
        count = _part(side, length)
        first = (middle + 1.0) * (side.cast(FLOAT) * 0.5) - count.cast(FLOAT) * share
        start = first.graph.op("Floor", first).cast(INT64).reshape(-1, 1)
        start = start.max(_part(side, low)).min(_part(side, high) - count)
        zero = start.graph.constant(np.array([0], np.int64))
        lines.append(start + _range(zero, count).reshape(1, -1))
    return _pixels(lines[0], lines[1], side)


def _pixels(rows: Value, columns: Value, side: Value) -> Pixels:
    half = side.cast(FLOAT) * 0.5
    y, x = (((line.cast(FLOAT) + 0.5) / half - 1.0) for line in (rows, columns))
    return Pixels(rows, columns, Vector(x.reshape(0, 1, 1, -1), y.reshape(0, 1, -1, 1)))


def _part(side: Value, thirty_seconds: int) -> Value:
    graph = side.graph
    return graph.op("Div", graph.op("Mul", side, graph.ints(thirty_seconds)), graph.ints(32))


def _range(start: Value, stop: Value) -> Value:
    graph = start.graph
    scalars = (graph.op("Squeeze", one) for one in (start, stop))
    return graph.op("Range", *scalars, graph.constant(np.array(1, np.int64)))


def cut(crop: Value) -> Value:
    """The head's window of ``crop`` [B, S, S, 3]."""
    graph = crop.graph
    side = graph.op("Shape", crop, start=1, end=2)
    starts = concat(0, _part(side, HEAD.rows[0]), _part(side, HEAD.columns[0]))
    stops = concat(0, _part(side, HEAD.rows[1]), _part(side, HEAD.columns[1]))
    return graph.op("Slice", crop, starts, stops, graph.ints(1, 2))


def put_back(crop: Value, head: Value) -> Value:
    """``crop`` [B, S, S, 3] with its head's window replaced by ``head``."""
    graph = crop.graph
    side = graph.op("Shape", crop, start=1, end=2)
    (top, bottom), (left, right) = ((_part(side, a), _part(side, b)) for a, b in (HEAD.rows, HEAD.columns))
    zero = graph.ints(0)

    def part(image: Value, axis: int, start: Value, stop: Value) -> Value:
        return graph.op("Slice", image, start, stop, graph.ints(axis))

    middle = part(crop, 1, top, bottom)
    middle = concat(2, part(middle, 2, zero, left), head, part(middle, 2, right, side))
    return concat(1, part(crop, 1, zero, top), middle, part(crop, 1, bottom, side))


def paste(head: Value, side: Value, windows: list[tuple[Pixels, Value]]) -> Value:
    """Small windows [B, n, m, 3] over the head's [B, N, M, 3], one after the other."""
    graph = head.graph
    batch = graph.op("Shape", head, start=0, end=1)
    for pixels, picture in windows:
        top, left = _part(side, HEAD.rows[0]), _part(side, HEAD.columns[0])
        rows = (pixels.rows - top).reshape(0, -1, 1, 1)
        columns = (pixels.columns - left).reshape(0, 1, -1, 1)
        which = _range(graph.ints(0), batch).reshape(-1, 1, 1, 1)
        shape = concat(0, graph.op("Shape", picture, start=0, end=3), graph.ints(1))
        index = concat(3, *(graph.op("Expand", line, shape) for line in (which, rows, columns)))
        head = graph.op("ScatterND", head, index, picture)
    return head
