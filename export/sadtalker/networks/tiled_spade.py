"""The SPADE decoder for a processor: ``FoldedSpadeDecoder``'s numbers with a quarter of the multiplications.

All maps are [1, height, width, channels]: one picture at a time.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.spade import SLOPE, Spade, SpadeBlock, SpadeDecoder
from export.sadtalker.networks.tiles import (
    TiledConv,
    in_tiles,
    inner,
    padded,
    padded_zeros,
    repeated,
    winograd,
)

EPSILON: Final = 1e-5
"""Epsilon of the instance norms."""


class TiledSpade(nn.Module):
    """``Spade``: what scales and shifts comes from a padded map, band by band."""

    def __init__(self, spade: Spade) -> None:
        super().__init__()
        gamma, beta = spade.mlp_gamma, spade.mlp_beta
        assert gamma.bias is not None
        assert beta.bias is not None
        weight, bias = torch.cat([gamma.weight, beta.weight]), torch.cat([gamma.bias + 1, beta.bias])
        self.conv = TiledConv(weight, bias, winograd())
        self.channels = gamma.out_channels

    def forward(self, centred: Tensor, scale: Tensor, shared: Tensor, slope: float) -> Tensor:
        """centred: [1, H, W, C] without its mean; scale [C] makes it normal. shared: padded.

        Returns a padded map, negative values times ``slope``.
        """
        _, rows, columns = self.conv.tiles(shared)
        out = padded_zeros(centred, centred.shape)
        height = self.conv.height(columns)
        for top in range(0, rows, height):
            n = min(height, rows - top)
            steering = self.conv.band(shared, top, n)
            x = in_tiles(centred, 4, top, n) * scale
            x = torch.addcmul(steering[..., self.channels :], x, steering[..., : self.channels])
            in_tiles(inner(out), 4, top, n).copy_(F.leaky_relu_(x, slope))
        return out


class TiledSpadeBlock(nn.Module):
    """``SpadeBlock`` of maps that were already made: its convolutions on tiles."""

    def __init__(self, block: SpadeBlock) -> None:
        super().__init__()
        self.conv_0 = TiledConv(block.conv_0.weight(), block.conv_0.bias, winograd())
        self.conv_1 = TiledConv(block.conv_1.weight(), block.conv_1.bias, winograd())
        self.norm_0, self.norm_1 = TiledSpade(block.norm_0), TiledSpade(block.norm_1)
        self.hidden = block.norm_0.mlp_gamma.in_channels

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        """x: [1, H, W, C_in]. shared: padded, of norm_0, then norm_1 -> [1, H, W, C_out]."""
        centred, scale = normal(x)
        return self.residual(centred, scale, shared).add_(x)

    def residual(self, centred: Tensor, scale: Tensor, shared: Tensor) -> Tensor:
        y = self.conv_0(self.norm_0(centred, scale, shared[..., : self.hidden], SLOPE))
        centred, scale = normal(y)
        second: Tensor = self.norm_1(centred, scale, shared[..., self.hidden : 2 * self.hidden], SLOPE)
        out: Tensor = self.conv_1(second)
        return out


class TiledUpBlock(nn.Module):
    """``SpadeBlock`` with a learned shortcut, of an input repeated twice; ``scale`` is the map's."""

    shortcut: Tensor

    def __init__(self, block: SpadeBlock, scale: int) -> None:
        super().__init__()
        self.block = TiledSpadeBlock(block)
        self.shared = _shared([block.norm_0, block.norm_1, block.norm_s], scale)
        self.norm_s = TiledSpade(block.norm_s)
        weight = block.conv_s.weight().detach().flatten(1)
        self.register_buffer("shortcut", weight.T.contiguous())

    def forward(self, x: Tensor, padded_map: Tensor) -> Tensor:
        """x: [1, H / 2, W / 2, C_in] -> [1, H, W, C_out]."""
        shared = padded(F.relu_(self.shared(padded_map)))
        centred, scale = normal(x)
        centred = twice(centred)
        steered = self.norm_s(centred, scale, shared[..., 2 * self.block.hidden :], 1.0)
        out = self.block.residual(centred, scale, shared)
        return out.add_(inner(steered) @ self.shortcut)


class TiledSpadeDecoder(nn.Module):
    """[1, S/4, S/4, 256] -> [1, S, S, 3] RGB in (0, 1)."""

    def __init__(self, decoder: SpadeDecoder) -> None:
        super().__init__()
        blocks = decoder.middle()
        self.fc = TiledConv(decoder.fc.weight, decoder.fc.bias, winograd())
        self.shared = _shared([norm for block in blocks for norm in (block.norm_0, block.norm_1)], 1)
        self.maps = 2 * blocks[0].norm_0.mlp_gamma.in_channels
        """Channels that each block of the middle reads of what they share."""
        self.middle = nn.ModuleList(TiledSpadeBlock(block) for block in blocks)
        self.up_0, self.up_1 = TiledUpBlock(decoder.up_0, 2), TiledUpBlock(decoder.up_1, 4)
        self.conv_img = decoder.conv_img

    def forward(self, feature_map: Tensor) -> Tensor:
        around = padded(feature_map)
        x = self.fc(around)
        shared = padded(F.relu_(self.shared(around)))
        start = 0
        for block in self.middle:
            x = block(x, shared[..., start : start + self.maps])
            start += self.maps
        x = self.up_1(self.up_0(x, around), around)
        image = self.conv_img(F.leaky_relu_(x, SLOPE).permute(0, 3, 1, 2))
        return F.sigmoid(image).permute(0, 2, 3, 1)


def normal(x: Tensor) -> tuple[Tensor, Tensor]:
    """x [1, H, W, C] without the mean of its channels, and what makes their variance 1, [C].

    Sums as products of matrices, which all cores take part in.
    """
    flat = x.flatten(0, 2)
    ones = flat.new_full([1, flat.shape[0]], 1 / flat.shape[0])
    centred = x - ones @ flat
    variance = ones @ centred.flatten(0, 2).square()
    return centred, torch.rsqrt(variance + EPSILON).flatten()


def twice(x: Tensor) -> Tensor:
    """[1, H, W, C] -> [1, 2 H, 2 W, C], every cell repeated."""
    _, height, width, channels = x.shape
    spread = x.view(height, 1, width, 1, channels).expand(height, 2, width, 2, channels)
    return spread.reshape(1, 2 * height, 2 * width, channels)


def _shared(norms: list[Spade], scale: int) -> TiledConv:
    """The first convolutions of several norms, which read the same map, as one."""
    convs = [norm.mlp_shared.get_submodule("0") for norm in norms]
    weight = torch.cat([conv.get_parameter("weight") for conv in convs])
    bias = torch.cat([conv.get_parameter("bias") for conv in convs])
    return TiledConv(weight, bias, winograd() if scale == 1 else repeated(scale))
