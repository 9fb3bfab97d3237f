"""The SPADE decoder for a GPU: the numbers of ``FoldedSpadeDecoder`` in fewer passes over the memory.

On a GPU its convolutions take less than half of the time; the rest is what is read and written between them.
So a bias, which PyTorch adds in a pass of its own, is the weight of a channel that is one everywhere; or it
is left out, where an instance norm takes it away again. A norm is one multiply-add. Gain and shift are
convolutions of their own, as halves of one result would be read in strides. What is repeated to a larger
size is normalised before. Everything is laid out channels last.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.folded_spade import PhaseConv2d, convolution
from export.sadtalker.networks.spade import SLOPE, Spade, SpadeBlock, SpadeDecoder

ONES: Final = 8
"""Channels that are one everywhere. The first carries the biases; matrix units take channels by eights."""

EPSILON: Final = 1e-5
"""Epsilon of the instance norms, as PyTorch's."""

GROWTH: Final = 2
"""Growth of the picture's sides before each of the last two blocks."""


class LeanSpade(nn.Module):
    """``Spade`` of an already normalised input; ``scale`` is how often the map is repeated."""

    def __init__(self, spade: Spade, scale: int) -> None:
        super().__init__()
        plain = spade.mlp_shared.get_submodule("0")
        assert isinstance(plain, nn.Conv2d)
        shared = _with_ones(plain, plain.bias, keep=True)
        self.shared: nn.Module = shared if scale == 1 else PhaseConv2d(shared, scale, channels_last=True)
        gamma, beta = spade.mlp_gamma, spade.mlp_beta
        assert gamma.bias is not None
        self.gain, self.shift = _with_ones(gamma, gamma.bias + 1), _with_ones(beta, beta.bias)

    def forward(self, normal: Tensor, feature_map: Tensor) -> Tensor:
        """normal: [B, C, H, W], instance-normalised. feature_map: [B, 256 + ONES, H / scale, W / scale]."""
        hidden = F.relu_(self.shared(feature_map))
        y: Tensor = torch.addcmul(self.shift(hidden), normal, self.gain(hidden))
        return y


class LeanSpadeBlock(nn.Module):
    """``SpadeBlock`` whose input comes with its norm; of the output the norm alone is right.

    scale: how often the map is repeated. last: its output is not normalised, so it has to be right.
    """

    def __init__(self, block: SpadeBlock, scale: int, last: bool = False) -> None:
        super().__init__()
        bias = block.conv_1.bias if last else None
        self.conv_0 = convolution(block.conv_0.weight(), None)
        self.conv_1 = convolution(block.conv_1.weight(), bias)
        self.norm_0, self.norm_1 = LeanSpade(block.norm_0, scale), LeanSpade(block.norm_1, scale)
        self.learned_shortcut = block.learned_shortcut
        if self.learned_shortcut:
            self.conv_s = convolution(block.conv_s.weight(), None)
            self.norm_s = LeanSpade(block.norm_s, scale)

    def forward(self, x: Tensor, normal: Tensor, feature_map: Tensor) -> Tensor:
        """x: [B, C, H, W], not looked at where the shortcut is learned. normal: its instance norm."""
        y = self.conv_0(F.leaky_relu_(self.norm_0(normal, feature_map), SLOPE))
        y = self.conv_1(F.leaky_relu_(self.norm_1(normalised(y), feature_map), SLOPE))
        if self.learned_shortcut:
            x = self.conv_s(self.norm_s(normal, feature_map))
        out: Tensor = y.add_(x)
        return out


class LeanSpadeDecoder(nn.Module):
    """``SpadeDecoder``: [B, 256, S/4, S/4] -> [B, 3, S, S] RGB in (0, 1)."""

    def __init__(self, decoder: SpadeDecoder) -> None:
        super().__init__()
        self.fc = convolution(decoder.fc.weight, None)
        self.middle = nn.ModuleList(LeanSpadeBlock(block, 1) for block in decoder.middle())
        self.up_0 = LeanSpadeBlock(decoder.up_0, GROWTH)
        self.up_1 = LeanSpadeBlock(decoder.up_1, GROWTH**2, last=True)
        self.conv_img = decoder.conv_img

    def forward(self, feature_map: Tensor) -> Tensor:
        with_ones = F.pad(feature_map, (0, 0, 0, 0, 0, ONES), value=1.0)
        with_ones = with_ones.contiguous(memory_format=torch.channels_last)
        x = self.fc(feature_map)
        for block in self.middle:
            x = block(x, normalised(x), with_ones)
        for block in (self.up_0, self.up_1):
            normal = F.interpolate(normalised(x), scale_factor=float(GROWTH))
            x = block(normal, normal, with_ones)
        return F.sigmoid(self.conv_img(F.leaky_relu(x, SLOPE)).float())


def normalised(x: Tensor) -> Tensor:
    """Instance norm [B, C, H, W]; deviations, not variances, stay within the range of halves."""
    deviation, mean = torch.std_mean(x, (2, 3), correction=0, keepdim=True)
    factor = torch.rsqrt(deviation.float().square() + EPSILON)
    offset = -mean.float() * factor
    return torch.addcmul(offset.to(x.dtype), x, factor.to(x.dtype))


def _with_ones(conv: nn.Conv2d, bias: Tensor | None, keep: bool = False) -> nn.Conv2d:
    """``conv`` with its bias in the weights of the input's ones; to ``keep`` them its output has them too."""
    assert bias is not None
    c_out, c_in, height, width = conv.weight.shape
    weight = conv.weight.new_zeros(c_out + (ONES if keep else 0), c_in + ONES, height, width)
    weight[:c_out, :c_in] = conv.weight
    middle = weight[:, c_in, height // 2, width // 2]
    middle[:c_out] = bias
    middle[c_out:] = 1.0
    return convolution(weight, None)
