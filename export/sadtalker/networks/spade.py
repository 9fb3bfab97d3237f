"""The SPADE decoder (Park et al., 2019, arXiv:1903.07291): a feature map becomes the picture.

The map is the decoder's input and, at every layer, what its normalisation is steered by.
"""

from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from lumen.families.sadtalker.dims import SadTalkerDims

SLOPE: Final = 0.2
HIDDEN: Final = 128
MIDDLE: Final = 6
"""Blocks before the picture grows."""


class SpectralConv2d(nn.Module):
    """A convolution divided by its spectral norm (Miyato et al., 2018, arXiv:1802.05957), norm as trained."""

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, c_in: int, c_out: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        plain = nn.Conv2d(c_in, c_out, kernel)
        self.weight_orig = plain.weight
        self.bias = nn.Parameter(torch.zeros(c_out)) if bias else None
        self.padding = kernel // 2
        self.register_buffer("weight_u", torch.ones(c_out))
        self.register_buffer("weight_v", torch.ones(c_in * kernel * kernel))

    def weight(self) -> Tensor:
        """[C_out, C_in, k, k]."""
        norm = torch.dot(self.weight_u, torch.mv(self.weight_orig.flatten(1), self.weight_v))
        weight: Tensor = self.weight_orig / norm
        return weight

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight(), self.bias, padding=self.padding)


class Spade(nn.Module):
    """Instance norm of x [B, C, H, W], scaled and shifted by what the map [B, 256, h, w] says."""

    def __init__(self, channels: int, c_map: int, hidden: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(c_map, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, feature_map: Tensor) -> Tensor:
        shared = self.mlp_shared(F.interpolate(feature_map, size=x.shape[2:]))
        y: Tensor = F.instance_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)
        return y


class SpadeBlock(nn.Module):
    """x [B, C_in, H, W], map [B, 256, h, w] -> [B, C_out, H, W]: two convolutions beside a shortcut."""

    def __init__(self, c_in: int, c_out: int, c_map: int, hidden: int) -> None:
        super().__init__()
        middle = min(c_in, c_out)
        self.conv_0 = SpectralConv2d(c_in, middle, 3)
        self.conv_1 = SpectralConv2d(middle, c_out, 3)
        self.norm_0 = Spade(c_in, c_map, hidden)
        self.norm_1 = Spade(middle, c_map, hidden)
        self.learned_shortcut = c_in != c_out
        if self.learned_shortcut:
            self.conv_s = SpectralConv2d(c_in, c_out, 1, bias=False)
            self.norm_s = Spade(c_in, c_map, hidden)

    def forward(self, x: Tensor, feature_map: Tensor) -> Tensor:
        y = self.conv_0(F.leaky_relu(self.norm_0(x, feature_map), SLOPE))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, feature_map), SLOPE))
        if self.learned_shortcut:
            x = self.conv_s(self.norm_s(x, feature_map))
        out: Tensor = x + y
        return out


class SpadeDecoder(nn.Module):
    """[B, 256, S/4, S/4] -> [B, 3, S, S] RGB in (0, 1)."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        c_map, hidden = dims.channels(256), dims.channels(HIDDEN)
        c512, c64 = dims.channels(512), dims.channels(64)
        self.fc = nn.Conv2d(c_map, c512, 3, padding=1)
        for i in range(MIDDLE):
            self.add_module(f"G_middle_{i}", SpadeBlock(c512, c512, c_map, hidden))
        self.up_0 = SpadeBlock(c512, c_map, c_map, hidden)
        self.up_1 = SpadeBlock(c_map, c64, c_map, hidden)
        self.conv_img = nn.Conv2d(c64, 3, 3, padding=1)

    def middle(self) -> list[SpadeBlock]:
        return [cast(SpadeBlock, self.get_submodule(f"G_middle_{i}")) for i in range(MIDDLE)]

    def forward(self, feature_map: Tensor) -> Tensor:
        x = self.fc(feature_map)
        for block in self.middle():
            x = block(x, feature_map)
        x = self.up_0(F.interpolate(x, scale_factor=2.0), feature_map)
        x = self.up_1(F.interpolate(x, scale_factor=2.0), feature_map)
        return F.sigmoid(self.conv_img(F.leaky_relu(x, SLOPE)))
