"""The face renderer (Wang et al., 2020, arXiv:2011.15126), and its two parts: per portrait, per frame."""

from collections import OrderedDict
from typing import Final, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.blocks import ConvBlock2d, DownBlock2d, ResBlock3d
from export.sadtalker.networks.dense_motion import DenseMotion
from export.sadtalker.networks.spade import SpadeDecoder
from lumen.families.sadtalker.dims import SadTalkerDims

RESIDUALS: Final = 6
SLOPE: Final = 0.01


class Source(NamedTuple):
    """Encoded portrait, the same for all frames: [B, 32, D, S/4, S/4] and [B, 4, D, S/4, S/4]."""

    appearance: Tensor
    compressed: Tensor


class Generator(nn.Module):
    """Portrait, its key points and a frame's -> the frame."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        c64, c128, c256, c32 = (dims.channels(n) for n in (64, 128, 256, 32))
        volume = c32 * dims.depth
        self.depth = dims.depth
        self.first = ConvBlock2d(3, c64)
        self.down_blocks = nn.ModuleList([DownBlock2d(c64, c128), DownBlock2d(c128, c256)])
        self.second = nn.Conv2d(c256, volume, 1)
        self.resblocks_3d = nn.Sequential(OrderedDict((f"3dr{i}", ResBlock3d(c32)) for i in range(RESIDUALS)))
        self.dense_motion_network = DenseMotion(dims)
        self.third = ConvBlock2d(volume, c256, SLOPE)
        self.fourth = nn.Conv2d(c256, c256, 1)
        self.decoder: nn.Module = SpadeDecoder(dims)

    def forward(self, image: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """The whole network: image [B, 3, S, S] in [0, 1], key points [B, 15, 3] -> frame, as the image."""
        return self.render(self.encode(image), source, driving)

    def encode(self, image: Tensor) -> Source:
        """The portrait's part: [B, 3, S, S] RGB in [0, 1]."""
        x = self.first(image)
        for block in self.down_blocks:
            x = block(x)
        appearance = self.resblocks_3d(self.second(x).unflatten(1, (-1, self.depth)))
        return Source(appearance, self.dense_motion_network.compressed(appearance))

    def render(self, portrait: Source, source: Tensor, driving: Tensor) -> Tensor:
        """The frame's part: key points of portrait and frame [B, 15, 3] -> [B, 3, S, S] in (0, 1)."""
        deformation, visible = self.dense_motion_network(portrait.compressed, source, driving)
        moved = F.grid_sample(portrait.appearance, deformation, align_corners=False)
        x = self.fourth(self.third(moved.flatten(1, 2).to(self.fourth.weight.dtype))) * visible
        frame: Tensor = self.decoder(x)
        return frame


class SourceEncoder(nn.Module):
    """The generator's part per portrait: image [B, 3, S, S] -> its two volumes (see ``Source``)."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.generator.encode(image)


class FrameRenderer(nn.Module):
    """The generator's part per frame."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, appearance: Tensor, compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Volumes of the portrait (see ``Source``), key points [B, 15, 3] -> frame [B, 3, S, S] in (0, 1)."""
        return self.generator.render(Source(appearance, compressed), source, driving)
