"""Bilinear resizing as OpenCV does it: no smoothing when a picture gets smaller.

The networks were trained on pictures made like that, so the portraits are made the same way.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def resize(image: Pixels, width: int, height: int) -> Pixels:
    """uint8 [H, W, C] -> uint8 [height, width, C]; the aspect is not kept. Within 1 of OpenCV's result."""
    rows = _between(image.astype(np.float32), height)
    columns = _between(rows.swapaxes(0, 1), width).swapaxes(0, 1)
    return np.asarray(np.rint(columns), np.uint8)


def _between(values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The first axis brought to n entries, by the two nearest ones; the edges are repeated."""
    size = len(values)
    if size == n:
        return values
    position = np.clip((np.arange(n) + 0.5) * size / n - 0.5, 0, size - 1)
    low = np.minimum(position.astype(np.int64), max(size - 2, 0))
    share = (position - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    high = np.minimum(low + 1, size - 1)
    return np.asarray(values[low] * (1 - share) + values[high] * share, np.float32)
