"""Dense motion: key points move every cell of the appearance volume, and some cells become hidden."""

from itertools import pairwise
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.blocks import DownBlock3d, Folds, UpBlock3d
from export.sadtalker.networks.point_motion import GridMotion, PointMotion
from lumen.families.sadtalker.dims import KEYPOINTS, SadTalkerDims

COMPRESSED: Final = 4
"""Channels of the volume that is moved with each key point."""

LEAST_SHARE: Final = 1e-3
"""A point with a smaller share of a cell has none; the others' shares stay as they are."""

WIDTHS: Final = (32, 64, 128, 256, 512, 1024)


class HourglassEncoder(nn.Module):
    """[B, C, D, H, W] -> the input and five ever smaller volumes."""

    def __init__(self, c_in: int, widths: list[int]) -> None:
        super().__init__()
        pairs = pairwise([c_in, *widths[1:]])
        self.down_blocks = nn.ModuleList(DownBlock3d(a, b) for a, b in pairs)

    def forward(self, x: Tensor) -> list[Tensor]:
        volumes = [x]
        for block in self.down_blocks:
            volumes.append(block(volumes[-1]))
        return volumes


class HourglassDecoder(nn.Module):
    """The encoder's volumes, smallest last -> [B, 32 + C, D, H, W]."""

    FOLDS: ClassVar[Folds] = (("conv", "norm"),)

    def __init__(self, c_in: int, widths: list[int]) -> None:
        super().__init__()
        top, *inner = reversed(widths)
        inputs = [top, *(2 * width for width in inner[:-1])]
        self.up_blocks = nn.ModuleList(UpBlock3d(a, b) for a, b in zip(inputs, inner, strict=True))
        self.channels = widths[0] + c_in
        self.conv = nn.Conv3d(self.channels, self.channels, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.channels)

    def forward(self, volumes: list[Tensor]) -> Tensor:
        x = volumes[-1]
        for block, skip in zip(self.up_blocks, reversed(volumes[:-1]), strict=True):
            x = torch.cat([block(x), skip], 1)
        return F.relu(self.norm(self.conv(x)))


class Hourglass(nn.Module):
    """[B, C, D, H, W] -> [B, 32 + C, D, H, W]."""

    def __init__(self, c_in: int, widths: list[int]) -> None:
        super().__init__()
        self.encoder = HourglassEncoder(c_in, widths)
        self.decoder = HourglassDecoder(c_in, widths)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.decoder(self.encoder(x))
        return y


class DenseMotion(nn.Module):
    """Dense motion network: predicts the deformation and the occlusion of a frame."""

    FOLDS: ClassVar[Folds] = (("compress", "norm"),)

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        parts = KEYPOINTS + 1
        self.hourglass = Hourglass(parts * (1 + COMPRESSED), [dims.channels(n) for n in WIDTHS])
        channels = self.hourglass.decoder.channels
        self.mask = nn.Conv3d(channels, parts, 7, padding=3)
        self.compress = nn.Conv3d(dims.channels(32), COMPRESSED, 1)
        self.norm = nn.BatchNorm3d(COMPRESSED)
        self.occlusion = nn.Conv2d(channels * dims.depth, 1, 7, padding=3)
        self.points: PointMotion = GridMotion()

    def compressed(self, appearance: Tensor) -> Tensor:
        """The portrait's part: [B, 32, D, H, W] -> [B, 4, D, H, W]."""
        return F.relu(self.norm(self.compress(appearance)))

    def forward(self, compressed: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the deformation [B, D, H, W, 3] and the visibility [B, 1, H, W] in [0, 1] of each cell.

        compressed: [B, 4, D, H, W]. source, driving: key points [B, 15, 3]. All float32, and so are shares
        and positions, whatever the precision of the weights.
        """
        evidence = self.evidence(compressed, source, driving)
        seen = self.hourglass(evidence.to(self.mask.weight.dtype))
        mask = F.softmax(self.mask(seen).float(), 1)
        mask = torch.where(mask < LEAST_SHARE, torch.zeros_like(mask), mask)
        visible = F.sigmoid(self.occlusion(seen.flatten(1, 2)))
        return self.points.deformation(mask, source, driving), visible

    def evidence(self, compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Input of the hourglass, [B, 80, D, H, W]: per point its heat, then the volume moved with it."""
        depth, height, width = compressed.shape[2:]
        heat = self.points.heat(source, driving, (depth, height, width))
        moved = self.points.warps(compressed, source, driving)
        return torch.cat([heat.unsqueeze(2), moved], 2).flatten(1, 2)
