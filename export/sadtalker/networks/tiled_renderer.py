"""The renderer's part per frame for a processor: ``FrameRenderer``'s numbers with a quarter of the work.

It is made of the operators of PyTorch alone; frames of a batch are computed one after the other, so that
every one is the same to the bit in whatever batch it is asked for.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.folding import folded
from export.sadtalker.networks.generator import SLOPE, Generator
from export.sadtalker.networks.spade import SpadeDecoder
from export.sadtalker.networks.tiled_motion import TiledMotion
from export.sadtalker.networks.tiled_spade import TiledSpadeDecoder
from export.sadtalker.networks.tiles import TiledConv, padded, winograd

BRIGHTEST: Final = 255
"""Of a byte."""


class TiledRenderer(nn.Module):
    """Volumes of the portraits, key points -> frames UINT8 [B, S, S, 3] RGB."""

    fourth: Tensor
    fourth_bias: Tensor

    def __init__(self, generator: Generator) -> None:
        """generator: as loaded."""
        super().__init__()
        assert isinstance(generator.decoder, SpadeDecoder)
        plain = folded(generator)
        self.motion = TiledMotion(plain.dense_motion_network)
        self.third = TiledConv(plain.third.conv.weight, plain.third.conv.bias, winograd())
        self.register_buffer("fourth", plain.fourth.weight.detach().flatten(1).T.contiguous())
        assert plain.fourth.bias is not None
        self.register_buffer("fourth_bias", plain.fourth.bias.detach().clone())
        self.decoder = TiledSpadeDecoder(generator.decoder)

    def forward(self, appearance: Tensor, compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """appearance: [B, 32, D, S/4, S/4]. compressed: [B, 4, D, S/4, S/4]. source, driving: [B, 15, 3]."""
        frames = []
        for i in range(appearance.shape[0]):
            j = i + 1
            frames.append(self.frame(appearance[i:j], compressed[i:j], source[i:j], driving[i:j]))
        return torch.cat(frames).mul_(BRIGHTEST).round_().to(torch.uint8)

    def frame(self, appearance: Tensor, compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """One frame [1, S, S, 3] in (0, 1)."""
        places, visible = self.motion(compressed, source, driving)
        moved = F.grid_sample(appearance, places.unsqueeze(0), align_corners=False)
        around = padded(moved.flatten(1, 2).permute(0, 2, 3, 1))
        x = F.leaky_relu_(self.third(around), SLOPE)
        x = (x @ self.fourth).add_(self.fourth_bias).mul_(visible)
        picture: Tensor = self.decoder(x)
        return picture
