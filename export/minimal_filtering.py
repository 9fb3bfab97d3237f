"""Filters with fewer multiplications: Toom and Cook's way, which Winograd's minimal filtering is.

Lavin & Gray, 2015, arXiv:1509.09308, for networks; Blahut, "Fast Algorithms for Signal Processing", 2010,
for the theory. All matrices are float64: networks keep them in float32 once they are multiplied out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Form:
    """outputs @ ((kernels @ taps) * (inputs @ cells)) is the filtered tile, in one dimension.

    Attributes:
        inputs: [p, n], of the n cells that a tile sees.
        kernels: [p, r], of the taps.
        outputs: [m, p], for the m cells that come out.
        step: from one tile to the next, in cells of the input.
    """

    inputs: Tensor
    kernels: Tensor
    outputs: Tensor
    step: int

    @property
    def ones(self) -> int:
        """The product that every output contains once: a bias is added there."""
        return int((self.outputs == 1).all(0).nonzero()[0])


def toom_cook(points: Sequence[float], taps: int) -> Form:
    """Toom-Cook's algorithm, with as many outputs as the points, and infinity, allow beside ``taps``."""
    others = [[b for b in points if b != a] for a in points]
    spans = [float(np.prod([a - b for b in row])) for a, row in zip(points, others, strict=True)]
    inputs = np.zeros((len(points) + 1,) * 2)
    for i, row in enumerate(others):
        inputs[i, :-1] = np.poly(row)[::-1] / spans[i]
    inputs[-1] = np.poly(points)[::-1]
    kernels = np.vstack([np.vander(points, taps, increasing=True), np.eye(taps)[-1]])
    step = len(points) + 2 - taps
    outputs = np.vstack([np.vander(points, step, increasing=True), np.eye(step)[-1]]).T.copy()
    return Form(torch.from_numpy(inputs), torch.from_numpy(kernels), torch.from_numpy(outputs), step)


def nested(outer: Form, inner: Form) -> Form:
    """A filter as long as both together, cut into filters of ``inner``'s length that ``outer`` combines.

    Few points twice are far more exact than many points once. ``inner`` has as many outputs as taps.
    """
    products, cells = inner.inputs.shape
    inputs = torch.zeros(
        len(outer.inputs), products, inner.step * (outer.inputs.shape[1] - 1) + cells, dtype=torch.float64
    )
    for tile, column in enumerate(outer.inputs.T):
        start = tile * inner.step
        inputs[:, :, start : start + cells] += column[:, None, None] * inner.inputs
    return Form(
        inputs.flatten(0, 1),
        torch.kron(outer.kernels, inner.kernels),
        torch.kron(outer.outputs, inner.outputs),
        outer.step * inner.step,
    )
