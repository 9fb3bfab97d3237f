"""Coordinates of a volume: -1 and 1 are the centres of the first and the last cell."""

import torch
from torch import Tensor


def axis(n: int, like: Tensor) -> Tensor:
    """[n] from -1 to 1 inclusive, in the dtype and on the device of ``like``."""
    return 2 * (torch.arange(n, dtype=like.dtype, device=like.device) / (n - 1)) - 1


def grid(depth: int, height: int, width: int, like: Tensor) -> Tensor:
    """[D, H, W, 3]: (x, y, z) of every cell."""
    z, y, x = torch.meshgrid(axis(depth, like), axis(height, like), axis(width, like), indexing="ij")
    return torch.stack([x, y, z], -1)
