"""The blocks that several networks are made of: convolution, batch norm, activation.

``FOLDS`` names the pairs (convolution, batch norm after it) of a module that can become one convolution.
"""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

Folds = tuple[tuple[str, str], ...]


class ConvBlock2d(nn.Module):
    """[B, C_in, H, W] -> [B, C_out, H, W]: 3x3 convolution, batch norm, ReLU with a slope below zero."""

    FOLDS: ClassVar[Folds] = (("conv", "norm"),)

    def __init__(self, c_in: int, c_out: int, slope: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm = nn.BatchNorm2d(c_out)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.leaky_relu(x, self.slope) if self.slope else F.relu(x)


class DownBlock2d(ConvBlock2d):
    """[B, C_in, H, W] -> [B, C_out, H/2, W/2]."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class ConvBlock3d(nn.Module):
    """[B, C_in, D, H, W] -> [B, C_out, D, H, W]: 3x3x3 convolution, batch norm, ReLU."""

    FOLDS: ClassVar[Folds] = (("conv", "norm"),)

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(c_in, c_out, 3, padding=1)
        self.norm = nn.BatchNorm3d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class DownBlock3d(ConvBlock3d):
    """[B, C_in, D, H, W] -> [B, C_out, D, H/2, W/2]: the depth stays."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return F.avg_pool3d(y.float(), (1, 2, 2)).to(y.dtype)  # not made for halves on a CPU


class UpBlock3d(ConvBlock3d):
    """[B, C_in, D, H, W] -> [B, C_out, D, 2H, 2W], repeating the nearest value first."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=(1.0, 2.0, 2.0)))


class ResBlock3d(nn.Module):
    """[B, C, D, H, W] -> the same shape: x + conv(relu(norm(conv(relu(norm(x))))))."""

    FOLDS: ClassVar[Folds] = (("conv1", "norm2"),)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm3d(channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm3d(channels)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.relu(self.norm1(x)))
        y: Tensor = x + self.conv2(F.relu(self.norm2(inner)))
        return y
