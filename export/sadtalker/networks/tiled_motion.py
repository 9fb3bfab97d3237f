"""``DenseMotion`` for a processor: the hourglass on tiles, one frame at a time, volumes [D, H, W, C].

The hourglass's smallest convolution stays a plain one: its kernels are larger than its volume, and tiles
would make them four times as large. So does the last, 7 cells wide.
"""

from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.blocks import DownBlock3d, UpBlock3d
from export.sadtalker.networks.dense_motion import LEAST_SHARE, DenseMotion
from export.sadtalker.networks.grids import axis, grid
from export.sadtalker.networks.point_motion import VARIANCE, without_faint
from export.sadtalker.networks.tiles import TiledConv, inner, padded, padded_zeros, repeated, winograd

DEPTH: Final = 3
"""Depth of the hourglass's kernels."""

OCCLUSION_SIDE: Final = 7


class TiledDown(nn.Module):
    """``DownBlock3d``: padded volume -> [D, H/2, W/2, C_out]."""

    def __init__(self, block: DownBlock3d) -> None:
        super().__init__()
        self.conv = TiledConv(block.conv.weight, block.conv.bias, winograd())

    def forward(self, around: Tensor) -> Tensor:
        depth, rows, columns = self.conv.tiles(around)
        out = around.new_empty([depth, rows, 2, columns, 2, self.conv.channels])
        height = self.conv.height(depth * columns)
        for top in range(0, rows, height):
            n = min(height, rows - top)
            y = F.relu_(self.conv.band(around, top, n))
            y = torch.unflatten(y[0::2] + y[1::2], 1, [2, 2]).sum(2).mul_(0.25)
            out[:, top : top + n] = y.permute(2, 3, 0, 4, 1, 5)
        return out.flatten(3, 4).flatten(1, 2)


class PlainDown(nn.Module):
    """The same, with the convolution as it is."""

    def __init__(self, block: DownBlock3d) -> None:
        super().__init__()
        self.block = block

    def forward(self, around: Tensor) -> Tensor:
        return channels_last(self.block(channels_first(inner(around, DEPTH))))


class TiledHourglass(nn.Module):
    """``Hourglass`` with its norms folded: padded volume of C channels -> [D, H, W, 32 + C]."""

    def __init__(self, motion: DenseMotion) -> None:
        super().__init__()
        encoder, decoder = motion.hourglass.encoder, motion.hourglass.decoder
        *downs, last = (cast(DownBlock3d, block) for block in encoder.down_blocks)
        self.downs = nn.ModuleList([*(TiledDown(block) for block in downs), PlainDown(last)])
        self.ups = nn.ModuleList(_up(cast(UpBlock3d, block)) for block in decoder.up_blocks)
        self.conv = TiledConv(decoder.conv.weight, decoder.conv.bias, winograd())

    def forward(self, around: Tensor) -> Tensor:
        skips = [around]
        for down in self.downs:
            skips.append(padded(down(skips[-1]), DEPTH))
        around = skips.pop()
        for up in self.ups:
            skip = skips.pop()
            y = F.relu_(up(around))
            around = torch.cat([padded(y, DEPTH), skip], 3)
        return F.relu_(self.conv(around))


class TiledMotion(nn.Module):
    """compressed [1, 4, D, H, W], key points [1, 15, 3] -> deformation [D, H, W, 3], visible [1, H, W, 1]."""

    occlusion: Tensor
    occlusion_bias: Tensor

    def __init__(self, motion: DenseMotion) -> None:
        """motion: with its norms folded into its convolutions."""
        super().__init__()
        self.hourglass = TiledHourglass(motion)
        self.mask = motion.mask
        weight = motion.occlusion.weight.detach()[0].flip(1, 2)
        by_depth = torch.unflatten(weight, 0, [self.mask.in_channels, -1]).flatten(2).permute(1, 0, 2)
        self.register_buffer("occlusion", by_depth.contiguous())
        assert motion.occlusion.bias is not None
        self.register_buffer("occlusion_bias", motion.occlusion.bias.detach().clone())

    def forward(self, compressed: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.hourglass(evidence(compressed, source, driving))
        mask = F.softmax(self.mask(channels_first(seen)), 1)
        mask = torch.where(mask < LEAST_SHARE, torch.zeros_like(mask), mask)
        return deformation(channels_last(mask), source - driving), self.visible(seen)

    def visible(self, seen: Tensor) -> Tensor:
        """A convolution with a single output: all products of its taps, then shifted sums."""
        height, width = seen.shape[1], seen.shape[2]
        taps = torch.bmm(seen.flatten(1, 2), self.occlusion).sum(0).T
        kernel = OCCLUSION_SIDE
        moved = F.fold(
            taps.unsqueeze(0), (height, width), (kernel, kernel), padding=(kernel // 2, kernel // 2)
        )
        return F.sigmoid(moved[0] + self.occlusion_bias).unsqueeze(-1)


def evidence(compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
    """``DenseMotion.evidence``, padded: [D + 2, H + 2, W + 2, 80]."""
    depth, height, width = compressed.shape[2:]
    heat = bells(driving, depth, height, width) - bells(source, depth, height, width)
    heat = without_faint(heat)
    shifts = F.pad(source - driving, [0, 0, 1, 0])[0]
    places = grid(depth, height, width, compressed) + shifts[:, None, None, None]
    copies = compressed.expand(len(shifts), -1, -1, -1, -1)
    moved = F.grid_sample(copies, places, align_corners=False)
    parts = 1 + moved.shape[1]
    out = padded_zeros(compressed, [depth, height, width, len(shifts) * parts], DEPTH)
    told = torch.unflatten(inner(out, DEPTH), 3, [len(shifts), parts])
    told[..., 1:, 0] = heat.permute(1, 2, 3, 0)
    told[..., 1:] = moved.permute(2, 3, 4, 0, 1)
    return out


def bells(points: Tensor, depth: int, height: int, width: int) -> Tensor:
    """Gaussians around key points [1, K, 3]: [K, D, H, W]."""
    z, y, x = bell(points[0, :, 2], depth), bell(points[0, :, 1], height), bell(points[0, :, 0], width)
    return z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]


def bell(centre: Tensor, n: int) -> Tensor:
    """[K] -> [K, n]."""
    return torch.exp(-0.5 * (axis(n, centre) - centre.unsqueeze(-1)).square() / VARIANCE)


def deformation(shares: Tensor, shifts: Tensor) -> Tensor:
    """Deformation [D, H, W, 3]. shares: [D, H, W, K + 1]. shifts: [1, K, 3]."""
    places = grid(shares.shape[0], shares.shape[1], shares.shape[2], shares)
    return places * shares.sum(3, keepdim=True) + shares[..., 1:] @ shifts[0]


def channels_first(x: Tensor) -> Tensor:
    """[D, H, W, C] -> [1, C, D, H, W], a view."""
    return x.permute(3, 0, 1, 2).unsqueeze(0)


def channels_last(x: Tensor) -> Tensor:
    """[1, C, D, H, W] -> [D, H, W, C], a view."""
    return x[0].permute(1, 2, 3, 0)


def _up(block: UpBlock3d) -> TiledConv:
    return TiledConv(block.conv.weight, block.conv.bias, repeated(2))
