"""Convolutions whose weights a style decides, computed for a whole batch at once.

Scaling a kernel's inputs by s and its outputs by d is scaling the maps before and after the convolution:
conv(x, d W s) = d conv(s x, W). So every face of a batch shares the kernel W, and the norm that d undoes
needs no kernel of its own: sum((W s)^2) = (sum of W^2 over the window) s^2.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

SLOPE: Final = 0.2
"""Slope of the leaky ReLUs below zero."""

LEAST: Final = 1e-8
"""Added to the squared norm of a kernel before its root is divided by."""

GAIN: Final = 2**0.5
"""Gain after a style convolution, for the half that its activation takes."""


def doubled(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, 2H, 2W], bilinear between pixel centres."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ModulatedConv2d(nn.Module):
    """``modulation`` makes the scales of a style; ``weight`` is [1, C_out, C_in, K, K]."""

    def __init__(self, c_in: int, c_out: int, kernel: int, style: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(style, c_in)
        self.weight = nn.Parameter(torch.empty(1, c_out, c_in, kernel, kernel))

    def scales(self, style: Tensor) -> Tensor:
        """[B, style] -> [B, C_in]."""
        scales: Tensor = self.modulation(style)
        return scales

    def norms(self, scales: Tensor) -> Tensor:
        """[B, C_in] -> [B, C_out]: what gives every kernel of the batch the norm 1."""
        energy = self.weight[0].square().sum((2, 3))
        return torch.rsqrt(scales.square() @ energy.T + LEAST)


class StyleConv(nn.Module):
    """[B, C_in, H, W], style [B, style], noise [1, 1, H', W'] -> [B, C_out, H', W'].

    upsample: H' = 2 H; the map is scaled before it is doubled, which is the same and less work.
    """

    def __init__(self, c_in: int, c_out: int, style: int, upsample: bool = False) -> None:
        super().__init__()
        self.modulated_conv = ModulatedConv2d(c_in, c_out, 3, style)
        self.weight = nn.Parameter(torch.empty(1))
        self.bias = nn.Parameter(torch.empty(1, c_out, 1, 1))
        self.upsample = upsample

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        conv = self.modulated_conv
        scales = conv.scales(style)
        x = x * scales[:, :, None, None]
        if self.upsample:
            x = doubled(x)
        y = F.conv2d(x, conv.weight[0], padding=1) * (GAIN * conv.norms(scales))[:, :, None, None]
        return F.leaky_relu(y + self.weight * noise + self.bias, SLOPE)


class ToRgb(nn.Module):
    """[B, C, H, W] and style [B, style] -> [B, 3, H, W], not normed.

    The three kernels are scaled, not the map: there is so little of them.
    """

    def __init__(self, c_in: int, style: int) -> None:
        super().__init__()
        self.modulated_conv = ModulatedConv2d(c_in, 3, 1, style)
        self.bias = nn.Parameter(torch.empty(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        conv = self.modulated_conv
        kernels = conv.weight[0, :, :, 0, 0] * conv.scales(style)[:, None, :]
        rgb: Tensor = (kernels @ x.flatten(2)).reshape(-1, 3, *x.shape[2:]) + self.bias
        return rgb
