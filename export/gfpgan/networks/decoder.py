"""The decoder: StyleGAN2's generator, half of whose channels the encoder's maps scale and shift."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from export.gfpgan.networks.modulation import SLOPE, StyleConv, ToRgb, doubled
from lumen.families.gfpgan.dims import COARSEST, LEVELS, GfpganDims

STYLE_LAYERS: Final = 8
"""Layers of the network that makes styles of random vectors; its weights are released, but not used here."""

FINER: Final = range(COARSEST + 1, LEVELS + 1)
"""Levels that begin with a doubling."""

STYLES: Final = 2 * len(FINER) + 2
"""Style vectors that a face needs."""


class ConstantInput(nn.Module):
    """The map that every face starts from, [1, C, 4, 4]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, channels, 2**COARSEST, 2**COARSEST))


class Noises(nn.Module):
    """The stored noise of each style convolution, [1, 1, H, W]: ``noise0`` at 4 x 4, then two per level."""

    def __init__(self) -> None:
        super().__init__()
        for index, level in enumerate([COARSEST, *(level for level in FINER for _ in range(2))]):
            self.register_buffer(f"noise{index}", torch.empty(1, 1, 2**level, 2**level))

    def __getitem__(self, index: int) -> Tensor:
        return self.get_buffer(f"noise{index}")


class Decoder(nn.Module):
    """styles [B, 16, style] and, per finer level, scale and shift [B, C/2, H, W] -> RGB [B, 3, 512, 512].

    The noise is the stored one: the same face gives the same picture, and films do not flicker by it.
    """

    def __init__(self, dims: GfpganDims) -> None:
        super().__init__()
        coarsest = dims.decoder(COARSEST)
        self.style_mlp = _style_network(dims.style)
        self.constant_input = ConstantInput(coarsest)
        self.style_conv1 = StyleConv(coarsest, coarsest, dims.style)
        self.to_rgb1 = ToRgb(coarsest, dims.style)
        self.noises = Noises()
        convs: list[nn.Module] = []
        for level in FINER:
            c_in, c_out = dims.decoder(level - 1), dims.decoder(level)
            convs.append(StyleConv(c_in, c_out, dims.style, upsample=True))
            convs.append(StyleConv(c_out, c_out, dims.style))
        self.style_convs = nn.ModuleList(convs)
        self.to_rgbs = nn.ModuleList([ToRgb(dims.decoder(level), dims.style) for level in FINER])

    def forward(self, styles: Tensor, scales: Sequence[Tensor], shifts: Sequence[Tensor]) -> Tensor:
        x = self.style_conv1(self.constant_input.weight, styles[:, 0], self.noises[0])
        rgb: Tensor = self.to_rgb1(x, styles[:, 1])
        for step, (scale, shift) in enumerate(zip(scales, shifts, strict=True)):
            first = 2 * step + 1
            x = self.style_convs[2 * step](x, styles[:, first], self.noises[first])
            kept, guided = x.chunk(2, 1)
            x = torch.cat([kept, guided * scale + shift], 1)
            x = self.style_convs[2 * step + 1](x, styles[:, first + 1], self.noises[first + 1])
            rgb = doubled(rgb) + self.to_rgbs[step](x, styles[:, first + 2])
        return rgb


def _style_network(width: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Identity()]
    for _ in range(STYLE_LAYERS):
        layers += [nn.Linear(width, width), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)
