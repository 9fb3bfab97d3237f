"""The key-point detector (Wang et al., 2020, arXiv:2011.15126): 15 points of a face at rest."""

from collections import OrderedDict
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.blocks import DownBlock2d, UpBlock3d
from export.sadtalker.networks.grids import axis
from lumen.families.sadtalker.dims import KEYPOINTS, SadTalkerDims

SHRINK: Final = 4
"""The detector looks at a quarter of the portrait's side."""

BLUR_RADIUS: Final = 6
BLUR_SIGMA: Final = 1.5
"""The blur before the picture is made smaller, in pixels."""

TEMPERATURE: Final = 0.1
"""Temperature of the softmax over the volume."""

WIDTHS: Final = (64, 128, 256, 512, 1024)
LAST_WIDTH: Final = 32


class AntiAlias(nn.Module):
    """[B, 3, S, S] -> [B, 3, S/4, S/4]: blurred, then every fourth pixel."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=torch.float64)
        bell = torch.exp(-(taps**2) / (2 * BLUR_SIGMA**2))
        kernel = torch.outer(bell, bell) / bell.sum() ** 2
        self.register_buffer("weight", kernel.float().expand(3, 1, -1, -1).clone())

    def forward(self, image: Tensor) -> Tensor:
        return F.conv2d(image, self.weight, stride=SHRINK, padding=BLUR_RADIUS, groups=3)


class Predictor(nn.Module):
    """An hourglass from a picture to a volume: [B, 3, H, W] -> [B, 32, D, H, W]."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        widths = [dims.channels(n) for n in WIDTHS]
        self.depth = dims.depth
        down = pairwise([3, *widths])
        self.down_blocks = nn.Sequential(
            OrderedDict((f"down{i}", DownBlock2d(c_in, c_out)) for i, (c_in, c_out) in enumerate(down))
        )
        self.conv = nn.Conv2d(widths[-1], widths[-1] * dims.depth, 1)
        falling = [*reversed(widths), dims.channels(LAST_WIDTH)]
        up = pairwise(falling)
        self.up_blocks = nn.Sequential(
            OrderedDict((f"up{i}", UpBlock3d(c_in, c_out)) for i, (c_in, c_out) in enumerate(up))
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv(self.down_blocks(image)).unflatten(1, (-1, self.depth))
        volume: Tensor = self.up_blocks(x)
        return volume


class KeypointDetector(nn.Module):
    """[B, 3, S, S] RGB in [0, 1] -> [B, 15, 3] points (x, y, z) in [-1, 1]."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        self.predictor = Predictor(dims)
        self.kp = nn.Conv3d(dims.channels(LAST_WIDTH), KEYPOINTS, 3, padding=1)
        self.down = AntiAlias()

    def forward(self, image: Tensor) -> Tensor:
        logits = self.kp(self.predictor(self.down(image)))
        heat = F.softmax(logits.flatten(2) / TEMPERATURE, -1).reshape(logits.shape)
        return centres(heat)


def centres(heat: Tensor) -> Tensor:
    """Mean position [B, K, 3] of each distribution [B, K, D, H, W]."""
    along_z, along_y, along_x = heat.sum((3, 4)), heat.sum((2, 4)), heat.sum((2, 3))
    means = [(p * axis(p.shape[-1], p)).sum(-1) for p in (along_x, along_y, along_z)]
    return torch.stack(means, -1)
