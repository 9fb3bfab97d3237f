"""Int8 products whose rows do not know of each other.

ONNX Runtime's ``quantize_dynamic`` takes one scale for all activations of a batch, so that a neighbour
changes everybody's result. Here every row of activations has a scale of its own, and every column of a
matrix too. Activations are unsigned, matrices are signed: for that pair processors have instructions of
their own. Where they lack them, sums of two products would saturate at 16 bits, which costs more accuracy
than the rounding to 8 bits; see :mod:`lumen.runtime.int8`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from export.xtts.gpt_graph import CONTRIB, Graph, Rows

LEVELS: Final = 255
MIDDLE: Final = 128
"""Zero point of activations that go both ways; 127 levels on each side."""

LOW: Final = 32
"""Zero point of activations that hardly go below zero."""


class Int8Products:
    """x [M, K] ~ s_m (q_mk - z), W [K, N] ~ t_n p_kn; x W ~ s_m t_n sum_k (q_mk - z) p_kn."""

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self) -> None:
        self._shared: dict[tuple[str, ...], str] = {}

    def rows(self, graph: Graph, x: str, positions: str, lowest: float | None) -> Rows:
        if lowest is None:
            zero, magnitude = MIDDLE, graph.op("Abs", x)
        else:
            zero, magnitude = LOW, x
        last_axis = graph.shared(np.array([-1], np.int64))
        largest = graph.op("ReduceMax", magnitude, last_axis, keepdims=0)
        scale = graph.op("Mul", largest, graph.shared(np.float32(1 / (LEVELS - zero))))
        if lowest is not None:
            scale = graph.op("Max", scale, graph.shared(np.float32(-lowest / LOW)))
        values = graph.op("QuantizeLinear", x, scale, self._zeros(graph, scale, positions, zero), axis=0)
        return Rows(values, graph.op("Unsqueeze", scale, last_axis), graph.shared(np.uint8(zero)))

    def product(self, graph: Graph, rows: Rows, name: str, matrix: NDArray[np.float32]) -> str:
        quantized, steps = quantize(matrix)
        sums = graph.op(
            "MatMulIntegerToFloat",
            rows.values,
            graph.weight(name, quantized),
            graph.shared(np.float32(1)),
            graph.weight(f"{name}.steps", steps),
            rows.zero,
            graph.own(f"{name}.zero", np.int8(0)),  # ONNX Runtime makes one unsigned, but only once
            domain=CONTRIB,
        )
        return graph.op("Mul", sums, rows.scale)

    def _zeros(self, graph: Graph, scale: str, positions: str, zero: int) -> str:
        """[M] of ``zero``: the quantisation per row wants it so; one for all that have these positions."""
        key = (positions, str(zero))
        if key not in self._shared:
            one = graph.shared(np.array([zero], np.uint8))
            self._shared[key] = graph.op("Expand", one, graph.op("Shape", scale))
        return self._shared[key]


def quantize(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """[K, N] -> int8 [K, N] of -127 to 127, and the [N] steps by which they are multiplied.

    A column of zeros has the step 0.
    """
    steps = np.abs(matrix).max(axis=0) / (LEVELS - MIDDLE)
    with np.errstate(divide="ignore"):
        inverse = np.where(steps > 0, 1 / steps, 0).astype(np.float32)
    return np.rint(matrix * inverse).astype(np.int8), steps.astype(np.float32)
