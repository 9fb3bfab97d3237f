"""Coordinates of a volume: -1 and 1 are the centres of the first and the last cell."""

import numpy as np
import torch
from torch import Tensor


def cells(n: int, like: Tensor) -> Tensor:
    """[n] 0, 1, 2, ..., in the dtype and on the device of ``like``.

    What is traced goes wherever ``like`` is: ``arange`` would stay on the device of the trace.
    """
    return torch.from_numpy(np.arange(int(n), dtype=np.float32)).type_as(like)


def axis(n: int, like: Tensor) -> Tensor:
    """[n] from -1 to 1 inclusive, in the dtype and on the device of ``like``."""
    return 2 * (cells(n, like) / (n - 1)) - 1


def grid(depth: int, height: int, width: int, like: Tensor) -> Tensor:
    """[D, H, W, 3]: (x, y, z) of every cell."""
    z, y, x = torch.meshgrid(axis(depth, like), axis(height, like), axis(width, like), indexing="ij")
    return torch.stack([x, y, z], -1)
