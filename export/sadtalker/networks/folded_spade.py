"""The SPADE decoder for serving: the same numbers with less arithmetic.

Spectral norms are divided out; gamma and beta are one convolution; norms of the same input share their
statistics; where the map is repeated to a larger size, convolutions run on the small one.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.spade import SLOPE, Spade, SpadeBlock, SpadeDecoder, SpectralConv2d

TAPS: Final = 3
"""Side of the convolutions that run on a repeated map."""


class PhaseConv2d(nn.Module):
    """A 3x3 convolution of a map repeated ``scale`` times, computed on the map itself.

    Every output pixel sees at most two different rows and two columns of the map: which ones depends on its
    phase, its position within the repeated cell. Phases with the same taps are computed once.
    [B, C_in, h, w] -> [B, C_out, scale h, scale w], laid out channels last where that is said.
    """

    def __init__(self, conv: nn.Conv2d, scale: int, channels_last: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.channels_last = channels_last
        self.phases, kinds = _phases(scale)
        weight = conv.weight.double()
        self.weights = nn.ParameterList(
            nn.Parameter(_merged(weight, rows, columns).float(), requires_grad=False)
            for rows in kinds
            for columns in kinds
        )
        self.starts = [kind[0] for kind in kinds]
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        padded = F.pad(x, (1, 1, 1, 1))
        kinds = len(self.starts)
        parts = [self._part(padded, i // kinds, i % kinds, height, width) for i in range(len(self.weights))]
        if not self.channels_last:
            return self._woven(parts, 2)
        return self._woven([part.permute(0, 2, 3, 1) for part in parts], 1).permute(0, 3, 1, 2)

    def _woven(self, parts: list[Tensor], height: int) -> Tensor:
        """The phases of all cells side by side; ``height`` is the dimension of their rows."""
        kinds, width = len(self.starts), height + 1
        rows = [
            torch.stack([parts[i * kinds + j] for j in self.phases], width + 1).flatten(width, width + 1)
            for i in self.phases
        ]
        return torch.stack(rows, width).flatten(height, width)

    def _part(self, padded: Tensor, row: int, column: int, height: int, width: int) -> Tensor:
        """Outputs of one kind of phase at every cell, [B, C_out, h, w]."""
        weight = self.weights[row * len(self.starts) + column]
        top, left = self.starts[row] + 1, self.starts[column] + 1
        bottom = top + height + weight.shape[2] - 1
        right = left + width + weight.shape[3] - 1
        return F.conv2d(padded[:, :, top:bottom, left:right], weight, self.bias)


def _phases(scale: int) -> tuple[list[int], list[tuple[int, ...]]]:
    """The kind of each phase, and each kind: the cell, relative to the own one, that each tap sees."""
    cells = [tuple((phase + tap - 1) // scale for tap in range(TAPS)) for phase in range(scale)]
    kinds = list(dict.fromkeys(cells))
    return [kinds.index(cell) for cell in cells], kinds


def _merged(weight: Tensor, rows: tuple[int, ...], columns: tuple[int, ...]) -> Tensor:
    """Taps [C_out, C_in, 3, 3] that see the same cell, added: [C_out, C_in, 1 or 2, 1 or 2]."""
    return torch.einsum("oirc,ra,cb->oiab", weight, _adder(rows, weight), _adder(columns, weight))


def _adder(cells: tuple[int, ...], like: Tensor) -> Tensor:
    """[3, n]: 1 where a tap sees the n-th of its cells."""
    first, last = cells[0], cells[-1]
    seen = torch.tensor(cells).unsqueeze(1) == torch.arange(first, last + 1)
    return seen.to(like.dtype)


class FoldedSpade(nn.Module):
    """``Spade`` of an already normalised input; ``scale`` is how often the map is repeated."""

    def __init__(self, spade: Spade, scale: int) -> None:
        super().__init__()
        shared = spade.mlp_shared.get_submodule("0")
        assert isinstance(shared, nn.Conv2d)
        self.shared: nn.Module = shared if scale == 1 else PhaseConv2d(shared, scale)
        self.scale_and_shift = _joined(spade.mlp_gamma, spade.mlp_beta)

    def forward(self, normal: Tensor, feature_map: Tensor) -> Tensor:
        """normal: [B, C, H, W], instance-normalised. feature_map: [B, 256, H / scale, W / scale]."""
        gain, shift = self.scale_and_shift(F.relu(self.shared(feature_map))).chunk(2, 1)
        y: Tensor = normal * gain + shift
        return y


def _joined(gamma: nn.Conv2d, beta: nn.Conv2d) -> nn.Conv2d:
    """Join two convolutions into one that gives 1 + gamma, then beta."""
    assert gamma.bias is not None
    assert beta.bias is not None
    weight = torch.cat([gamma.weight, beta.weight])
    return convolution(weight, torch.cat([gamma.bias + 1, beta.bias]))


def convolution(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A convolution that keeps the size, with these weights."""
    c_out, c_in, kernel = weight.shape[:3]
    with torch.device("meta"):
        conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=bias is not None)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    return conv


def _unwrapped(conv: SpectralConv2d) -> nn.Conv2d:
    """The convolution with its weight already divided by its norm."""
    return convolution(conv.weight(), conv.bias)


def _normal(x: Tensor) -> Tensor:
    """Instance-normalised; its statistics are float32 in any precision."""
    return F.instance_norm(x.float()).to(x.dtype)


class FoldedSpadeBlock(nn.Module):
    """``SpadeBlock``; ``scale`` is how often the map is repeated."""

    def __init__(self, block: SpadeBlock, scale: int) -> None:
        super().__init__()
        self.conv_0, self.conv_1 = _unwrapped(block.conv_0), _unwrapped(block.conv_1)
        self.norm_0, self.norm_1 = FoldedSpade(block.norm_0, scale), FoldedSpade(block.norm_1, scale)
        self.learned_shortcut = block.learned_shortcut
        if self.learned_shortcut:
            self.conv_s, self.norm_s = _unwrapped(block.conv_s), FoldedSpade(block.norm_s, scale)

    def forward(self, x: Tensor, feature_map: Tensor) -> Tensor:
        normal = _normal(x)
        y = self.conv_0(F.leaky_relu(self.norm_0(normal, feature_map), SLOPE))
        y = self.conv_1(F.leaky_relu(self.norm_1(_normal(y), feature_map), SLOPE))
        if self.learned_shortcut:
            x = self.conv_s(self.norm_s(normal, feature_map))
        out: Tensor = x + y
        return out


class FoldedSpadeDecoder(nn.Module):
    """``SpadeDecoder``: [B, 256, S/4, S/4] -> [B, 3, S, S] RGB in (0, 1)."""

    def __init__(self, decoder: SpadeDecoder) -> None:
        super().__init__()
        self.fc = decoder.fc
        self.middle = nn.ModuleList(FoldedSpadeBlock(block, 1) for block in decoder.middle())
        self.up_0 = FoldedSpadeBlock(decoder.up_0, 2)
        self.up_1 = FoldedSpadeBlock(decoder.up_1, 4)
        self.conv_img = decoder.conv_img

    def forward(self, feature_map: Tensor) -> Tensor:
        x = self.fc(feature_map)
        for block in self.middle:
            x = block(x, feature_map)
        x = self.up_0(F.interpolate(x, scale_factor=2.0), feature_map)
        x = self.up_1(F.interpolate(x, scale_factor=2.0), feature_map)
        return F.sigmoid(self.conv_img(F.leaky_relu(x, SLOPE)).float())
