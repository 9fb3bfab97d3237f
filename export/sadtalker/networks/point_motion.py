"""Motion by single key points: the heat around each, and how the picture moves with this point alone.

Three equal ways: on grids as it was published; with sums instead of large intermediate grids; with
products of matrices along the axes instead of sampling. All coordinates are those of ``grids``.
"""

from typing import Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.grids import axis, cells, grid

VARIANCE: Final = 0.01
"""Variance of the Gaussian around a key point, in squared coordinates."""

FAINT: Final = 1e-12
"""Heat that no float32 sum shows. Far from a key point numbers are so small that processors multiply them
many times as slowly (subnormal ones), here and wherever the network carries them.
"""

Size = tuple[int, int, int]
"""Depth, height and width of a volume."""


class PointMotion(Protocol):
    """K points move; entry 0 of K + 1 is the background, which does not."""

    def heat(self, source: Tensor, driving: Tensor, size: Size) -> Tensor:
        """Gaussians at driving minus those at source points, both [B, K, 3] -> [B, K + 1, D, H, W]."""
        ...

    def warps(self, volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """volume [B, C, D, H, W] moved with each point -> [B, K + 1, C, D, H, W].

        The reference samples with other edges than its grid has (``align_corners``); so the background
        is not the volume itself.
        """
        ...

    def deformation(self, mask: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Deformation [B, D, H, W, 3], by shares [B, K + 1, D, H, W] of the points."""
        ...


class GridMotion:
    """The published form."""

    def heat(self, source: Tensor, driving: Tensor, size: Size) -> Tensor:
        return _with_background(self._gaussians(driving, size) - self._gaussians(source, size))

    def _gaussians(self, points: Tensor, size: Size) -> Tensor:
        """[B, K, 3] -> [B, K, D, H, W]."""
        distance = grid(*size, points) - points[:, :, None, None, None]
        return torch.exp(-0.5 * distance.square().sum(-1) / VARIANCE)

    def warps(self, volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        moves = _moves(source, driving, _size(volume))
        n = moves.shape[1]
        copies = volume.unsqueeze(1).expand(-1, n, -1, -1, -1, -1)
        sampled = F.grid_sample(copies.flatten(0, 1), moves.flatten(0, 1), align_corners=False)
        return sampled.reshape(-1, n, *volume.shape[1:])

    def deformation(self, mask: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        moves = _moves(source, driving, _size(mask))
        return (moves * mask.unsqueeze(-1)).sum(1)


class SummedMotion(GridMotion):
    """Heat maps as products of three bells, the deformation as a weighted sum of shifts."""

    def heat(self, source: Tensor, driving: Tensor, size: Size) -> Tensor:
        return without_faint(super().heat(source, driving, size))

    def _gaussians(self, points: Tensor, size: Size) -> Tensor:
        bells = [
            torch.exp(-0.5 * (axis(n, points) - points[..., i, None]).square() / VARIANCE)
            for i, n in enumerate(reversed(size))
        ]
        x, y, z = bells
        return z[..., :, None, None] * y[..., None, :, None] * x[..., None, None, :]

    def deformation(self, mask: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        shares = mask.flatten(2).transpose(1, 2)
        shifts = (shares[:, :, 1:] @ (source - driving)).reshape(-1, *_size(mask), 3)
        return grid(*_size(mask), mask) * mask.sum(1).unsqueeze(-1) + shifts


class SeparableMotion(SummedMotion):
    """A warp by a shift is linear along each axis in turn: three products, nothing sampled."""

    def warps(self, volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        shifts = F.pad(source - driving, (0, 0, 1, 0))
        x, y, z = (_shift_matrix(shifts[..., i], n) for i, n in enumerate(reversed(_size(volume))))
        moved = volume.unsqueeze(1) @ x.transpose(-1, -2)[:, :, None, None]
        moved = y[:, :, None, None] @ moved
        return (z[:, :, None] @ moved.flatten(-2)).reshape(moved.shape)


def without_faint(heat: Tensor) -> Tensor:
    """``heat`` with zeros where there is less than ``FAINT`` of it."""
    return torch.where(heat.abs() < FAINT, torch.zeros_like(heat), heat)


def _shift_matrix(shift: Tensor, n: int) -> Tensor:
    """[..., n, n]: linear interpolation along an axis of n cells at its coordinates plus shift [...].

    What lies beyond the first and last cell is zero.
    """
    position = ((axis(n, shift) + shift.unsqueeze(-1) + 1) * n - 1) / 2
    return F.relu(1 - (position.unsqueeze(-1) - cells(n, shift)).abs())


def _moves(source: Tensor, driving: Tensor, size: Size) -> Tensor:
    """Origin of every cell if it moved with each point alone: [B, K + 1, D, H, W, 3]."""
    shifts = F.pad(source - driving, (0, 0, 1, 0))
    return grid(*size, source) + shifts[:, :, None, None, None]


def _with_background(maps: Tensor) -> Tensor:
    """[B, K, ...] -> [B, K + 1, ...] with zeros first."""
    return torch.cat([torch.zeros_like(maps[:, :1]), maps], 1)


def _size(volume: Tensor) -> Size:
    depth, height, width = volume.shape[-3:]
    return depth, height, width
