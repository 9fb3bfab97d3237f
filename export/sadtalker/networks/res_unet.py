"""A residual U-Net (Zhang et al., 2017, arXiv:1711.10684) over time and the six numbers of a head pose."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.blocks import Folds
from lumen.families.sadtalker.dims import SadTalkerDims

HALF_TIME = (2, 1)
"""Stride over (time, pose): only time gets coarser."""


class ResidualConv(nn.Module):
    """[B, C_in, T, 6] -> [B, C_out, T / stride, 6]: pre-activated convolutions beside a plain one."""

    FOLDS: ClassVar[Folds] = (("conv_block.2", "conv_block.3"), ("conv_skip.0", "conv_skip.1"))

    def __init__(self, c_in: int, c_out: int, stride: int | tuple[int, int] = 1) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(c_in),
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, 3, stride, 1),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, padding=1),
        )
        self.conv_skip = nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_block(x) + self.conv_skip(x)
        return y


class Upsample(nn.Module):
    """[B, C, T, 6] -> [B, C, 2T, 6]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels, channels, HALF_TIME, HALF_TIME)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.upsample(x)
        return y


class ResUnet(nn.Module):
    """[B, 1, 32, 6] -> [B, 1, 32, 6] in (0, 1)."""

    FOLDS: ClassVar[Folds] = (("input_layer.0", "input_layer.1"),)

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        c32, c64, c128, c256 = (dims.channels(n) for n in (32, 64, 128, 256))
        self.input_layer = nn.Sequential(
            nn.Conv2d(1, c32, 3, padding=1),
            nn.BatchNorm2d(c32),
            nn.ReLU(),
            nn.Conv2d(c32, c32, 3, padding=1),
        )
        self.input_skip = nn.Sequential(nn.Conv2d(1, c32, 3, padding=1))
        self.residual_conv_1 = ResidualConv(c32, c64, HALF_TIME)
        self.residual_conv_2 = ResidualConv(c64, c128, HALF_TIME)
        self.bridge = ResidualConv(c128, c256, HALF_TIME)
        self.upsample_1 = Upsample(c256)
        self.up_residual_conv1 = ResidualConv(c256 + c128, c128)
        self.upsample_2 = Upsample(c128)
        self.up_residual_conv2 = ResidualConv(c128 + c64, c64)
        self.upsample_3 = Upsample(c64)
        self.up_residual_conv3 = ResidualConv(c64 + c32, c32)
        self.output_layer = nn.Sequential(nn.Conv2d(c32, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        fine = self.input_layer(x) + self.input_skip(x)
        half = self.residual_conv_1(fine)
        quarter = self.residual_conv_2(half)
        x = self.upsample_1(self.bridge(quarter))
        x = self.upsample_2(self.up_residual_conv1(torch.cat([x, quarter], 1)))
        x = self.upsample_3(self.up_residual_conv2(torch.cat([x, half], 1)))
        x = self.up_residual_conv3(torch.cat([x, fine], 1))
        return F.sigmoid(self.output_layer(x))
