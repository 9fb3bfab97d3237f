"""A convolution of volumes as one of pictures, for matrix units."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name


class SlicedConv3d(nn.Module):
    """``conv``, computed on every slice for all of its depths at once, which are then added.

    Its few output channels times the kernel's depth are as many as matrix units take at a time.
    """

    def __init__(self, conv: nn.Conv3d) -> None:
        """conv: keeps the size, and has a bias."""
        super().__init__()
        self.channels, _, self.taps, *sides = conv.weight.shape
        self.padding = [side // 2 for side in sides]
        self.weight = nn.Parameter(conv.weight.detach().transpose(1, 2).flatten(0, 1), requires_grad=False)
        assert conv.bias is not None
        self.bias = nn.Parameter(conv.bias.detach().clone(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, D, H, W] -> [B, C_out, D, H, W], summed in float32."""
        batch, _, depth, height, width = x.shape
        parts = F.conv2d(x.transpose(1, 2).flatten(0, 1), self.weight, padding=self.padding)
        parts = parts.reshape(batch, depth, self.channels, self.taps, height, width).float()
        reach = self.taps // 2
        around = F.pad(parts, (0, 0, 0, 0, 0, 0, 0, 0, reach, reach))
        total = torch.stack([around[:, tap : tap + depth, :, tap] for tap in range(self.taps)]).sum(0)
        return total.transpose(1, 2) + self.bias.float().reshape(-1, 1, 1, 1)
