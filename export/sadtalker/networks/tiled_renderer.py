"""The renderer's part per frame for a processor: ``FrameRenderer``'s numbers with a quarter of the work.

It is made of the operators of PyTorch alone; frames of a batch are computed one after the other, so that
every one is the same to the bit in whatever batch it is asked for.
"""

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.folding import folded
from export.sadtalker.networks.generator import SLOPE, Generator
from export.sadtalker.networks.spade import SpadeDecoder
from export.sadtalker.networks.tiled_motion import TiledMotion
from export.sadtalker.networks.tiled_spade import TiledSpadeDecoder
from export.sadtalker.networks.tiles import TiledConv, padded, winograd


class TiledFrame(nn.Module):
    """Volumes of a portrait, key points -> the frame."""

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
        """appearance: [1, 32, D, S/4, S/4]. compressed: [1, 4, D, S/4, S/4]. source, driving: [1, 15, 3].

        Returns [1, 3, S, S] in (0, 1), laid out channels last.
        """
        places, visible = self.motion(compressed, source, driving)
        moved = F.grid_sample(appearance, places.unsqueeze(0), align_corners=False)
        around = padded(moved.flatten(1, 2).permute(0, 2, 3, 1))
        x = F.leaky_relu_(self.third(around), SLOPE)
        x = (x @ self.fourth).add_(self.fourth_bias).mul_(visible)
        picture: Tensor = self.decoder(x)
        return picture.permute(0, 3, 1, 2)


class OneByOne(nn.Module):
    """``FrameRenderer`` of any batch, by a network for one frame: each is the same in every batch."""

    def __init__(self, frame: nn.Module) -> None:
        super().__init__()
        self.frame = frame

    def forward(self, appearance: Tensor, compressed: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """appearance: [B, 32, D, S/4, S/4]. compressed: [B, 4, D, S/4, S/4]. source, driving: [B, 15, 3]."""
        frames = []
        for i in range(appearance.shape[0]):
            j = i + 1
            frames.append(self.frame(appearance[i:j], compressed[i:j], source[i:j], driving[i:j]))
        return torch.cat(frames)


def scripted(frame: nn.Module, example: tuple[Tensor, ...]) -> nn.Module:
    """``OneByOne`` as TorchScript. example: the inputs of one frame, whose sizes become constants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those sizes, and of TorchScript's age
        traced = torch.jit.trace(frame, example, check_trace=False)  # type: ignore[no-untyped-call]
    return compiled(OneByOne(traced))


def compiled(network: nn.Module) -> nn.Module:
    """A network as TorchScript of every size, from its code: nothing is computed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchScript's age
        whole: nn.Module = torch.jit.script(network)
    return whole
