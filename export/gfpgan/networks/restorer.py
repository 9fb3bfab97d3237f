"""The whole network: a U-Net that reads the face, and the decoder that draws it anew."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.gfpgan.networks.decoder import FINER, STYLES, Decoder
from export.gfpgan.networks.modulation import SLOPE, doubled
from lumen.families.gfpgan.dims import COARSEST, LEVELS, GfpganDims

HALF_RANGE = 127.5
"""Colours 0..255 are -1..1 in the network."""


class ResBlock(nn.Module):
    """[B, C_in, H, W] -> [B, C_out, H', W']: two convolutions beside a shortcut; ``up`` doubles, else halves.

    The shortcut's 1x1 convolution is done where the map is smaller, which is the same: it mixes channels,
    resizing mixes pixels. Halving between pixel centres is the mean of two by two.
    """

    def __init__(self, c_in: int, c_out: int, up: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_in, 3, padding=1)
        self.conv2 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv1(x), SLOPE)
        y = doubled(y) if self.up else F.avg_pool2d(y, 2)
        shortcut = doubled(self.skip(x)) if self.up else self.skip(F.avg_pool2d(x, 2))
        return F.leaky_relu(self.conv2(y), SLOPE) + shortcut


class Condition(nn.Sequential):
    """[B, C, H, W] -> the same: what half of a decoder's map is scaled by, or shifted."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
        )


class Restorer(nn.Module):
    """Face [B, 3, 512, 512] in -1..1 RGB -> restored face, about as much in the same range.

    ``toRGB`` and the decoder's ``style_mlp`` are in the checkpoint for training alone.
    """

    def __init__(self, dims: GfpganDims) -> None:
        super().__init__()
        widths = {level: dims.encoder(level) for level in range(COARSEST, LEVELS + 1)}
        self.conv_body_first = nn.Conv2d(3, widths[LEVELS], 1)
        down = [ResBlock(widths[level], widths[level - 1], up=False) for level in reversed(FINER)]
        self.conv_body_down = nn.ModuleList(down)
        self.final_conv = nn.Conv2d(widths[COARSEST], widths[COARSEST], 3, padding=1)
        self.conv_body_up = nn.ModuleList([ResBlock(widths[n - 1], widths[n], up=True) for n in FINER])
        self.toRGB = nn.ModuleList([nn.Conv2d(widths[level], 3, 1) for level in FINER])
        self.final_linear = nn.Linear(widths[COARSEST] * 4**COARSEST, STYLES * dims.style)
        self.stylegan_decoder = Decoder(dims)
        self.condition_scale = nn.ModuleList([Condition(widths[level]) for level in FINER])
        self.condition_shift = nn.ModuleList([Condition(widths[level]) for level in FINER])

    def forward(self, face: Tensor) -> Tensor:
        return self.redrawn(self.conv_body_first(face))

    def redrawn(self, first: Tensor) -> Tensor:
        """The rest, from the first convolution's result [B, C, 512, 512]."""
        x, passed = F.leaky_relu(first, SLOPE), []
        for block in self.conv_body_down:
            x = block(x)
            passed.append(x)
        x = F.leaky_relu(self.final_conv(x), SLOPE)
        styles = self.final_linear(x.flatten(1)).unflatten(1, (STYLES, -1))
        scales, shifts = [], []
        for block, scale, shift in zip(
            self.conv_body_up, self.condition_scale, self.condition_shift, strict=True
        ):
            x = block(x + passed.pop())
            scales.append(scale(x))
            shifts.append(shift(x))
        drawn: Tensor = self.stylegan_decoder(styles, scales, shifts)
        return drawn


class ServedRestorer(nn.Module):
    """Exported network: face uint8 [B, 512, 512, 3] RGB -> restored, the same; colours rounded half to even.

    The way from 0..255 to -1..1 is folded into the first convolution, which has no border to tell them apart.
    """

    def __init__(self, restorer: Restorer) -> None:
        super().__init__()
        self.restorer = restorer
        first = restorer.conv_body_first
        assert first.bias is not None
        self.weight = nn.Parameter(first.weight.detach() / HALF_RANGE, requires_grad=False)
        bias = first.bias.detach() - first.weight.detach().sum((1, 2, 3))
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, face: Tensor) -> Tensor:
        colours = face.permute(0, 3, 1, 2).to(torch.float32)
        drawn = self.restorer.redrawn(F.conv2d(colours, self.weight, self.bias))
        scaled = torch.round((drawn + 1) * HALF_RANGE).clamp(0, 255)
        return scaled.permute(0, 2, 3, 1).to(torch.uint8)
