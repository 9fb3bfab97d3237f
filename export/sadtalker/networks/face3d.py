"""3DMM reconstruction (Deng et al., 2019, arXiv:1903.08527): a face becomes coefficients of a face model."""

from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.blocks import Folds
from lumen.families.sadtalker.dims import SadTalkerDims

STAGES: Final = (3, 4, 6, 3)
"""Bottlenecks per stage of ResNet-50 (He et al., 2015, arXiv:1512.03385)."""

EXPANSION: Final = 4
"""Output channels of a bottleneck relative to its inner ones."""

HEADS: Final = (80, 64, 80, 3, 27, 2, 1)
"""Widths of the heads: identity, expression, texture, angles, light, translation in the plane, depth."""


class Bottleneck(nn.Module):
    """[B, C_in, H, W] -> [B, 4 C, H / stride, W / stride], the stride in the 3x3 convolution."""

    FOLDS: ClassVar[Folds] = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))

    def __init__(self, c_in: int, channels: int, stride: int) -> None:
        super().__init__()
        c_out = EXPANSION * channels
        self.conv1 = nn.Conv2d(c_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample = Shortcut(c_in, c_out, stride) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class Shortcut(nn.Sequential):
    """The input of a stage's first bottleneck, brought to the shape of its output."""

    FOLDS: ClassVar[Folds] = (("0", "1"),)

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))


class Backbone(nn.Module):
    """ResNet-50 without its classifier: [B, 3, H, W] -> [B, 2048, 1, 1]."""

    FOLDS: ClassVar[Folds] = (("conv1", "bn1"),)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = stage(width, width, STAGES[0], 1)
        self.layer2 = stage(EXPANSION * width, 2 * width, STAGES[1], 2)
        self.layer3 = stage(EXPANSION * 2 * width, 4 * width, STAGES[2], 2)
        self.layer4 = stage(EXPANSION * 4 * width, 8 * width, STAGES[3], 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return F.adaptive_avg_pool2d(x, 1)


def stage(c_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` bottlenecks; the first takes ``c_in`` channels and has the stride."""
    first = Bottleneck(c_in, channels, stride)
    rest = (Bottleneck(EXPANSION * channels, channels, 1) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


class Face3d(nn.Module):
    """[B, 3, 224, 224] RGB in [0, 1], aligned -> [B, 257] coefficients (see ``FACE_MODEL``)."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        self.backbone = Backbone(dims.channels(64))
        width = dims.channels(2048)
        self.final_layers = nn.ModuleList(nn.Conv2d(width, n, 1) for n in HEADS)

    def forward(self, image: Tensor) -> Tensor:
        features = self.backbone(image)
        return torch.cat([head(features) for head in self.final_layers], 1).flatten(1)
