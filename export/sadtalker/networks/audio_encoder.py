"""The audio encoder of Wav2Lip (Prajwal et al., 2020, arXiv:2008.10010): sound becomes a vector."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.blocks import Folds
from lumen.families.sadtalker.dims import SadTalkerDims

Stride = int | tuple[int, int]


class AudioBlock(nn.Module):
    """[B, C_in, bands, columns] -> [B, C_out, ...]: convolution, batch norm, the input if asked for, ReLU."""

    FOLDS: ClassVar[Folds] = (("conv_block.0", "conv_block.1"),)

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: Stride, padding: int) -> None:
        super().__init__()
        conv = nn.Conv2d(c_in, c_out, kernel, stride, padding)
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_block(x))


class ResidualAudioBlock(AudioBlock):
    """[B, C, bands, columns] -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_block(x) + x)


class AudioEncoder(nn.Sequential):
    """[B, 1, 80, 16] mel windows in [-4, 4] -> [B, 512]."""

    def __init__(self, dims: SadTalkerDims) -> None:
        c32, c64, c128, c256, c512 = (dims.channels(n) for n in (32, 64, 128, 256, 512))
        super().__init__(
            AudioBlock(1, c32, 3, 1, 1),
            ResidualAudioBlock(c32),
            ResidualAudioBlock(c32),
            AudioBlock(c32, c64, 3, (3, 1), 1),
            ResidualAudioBlock(c64),
            ResidualAudioBlock(c64),
            AudioBlock(c64, c128, 3, 3, 1),
            ResidualAudioBlock(c128),
            ResidualAudioBlock(c128),
            AudioBlock(c128, c256, 3, (3, 2), 1),
            ResidualAudioBlock(c256),
            AudioBlock(c256, c512, 3, 1, 0),
            AudioBlock(c512, c512, 1, 1, 0),
        )

    def forward(self, mel: Tensor) -> Tensor:
        x = mel
        for block in self:
            x = block(x)
        return x.flatten(1)
