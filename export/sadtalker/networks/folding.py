"""Makes the networks that are exported: norms folded into convolutions, exact rewrites in place.

The folded network gives the same numbers to rounding, and has names and weights of its own.
"""

import copy
from typing import Final, TypeVar

import torch
from torch import Tensor, nn

from export.sadtalker.networks.folded_spade import FoldedSpadeDecoder
from export.sadtalker.networks.generator import Generator
from export.sadtalker.networks.lean_spade import LeanSpadeDecoder
from export.sadtalker.networks.point_motion import PointMotion, SummedMotion
from export.sadtalker.networks.sliced_conv import SlicedConv3d
from export.sadtalker.networks.spade import SpadeDecoder

Network = TypeVar("Network", bound=nn.Module)

_LAST: Final = {4: torch.channels_last, 5: torch.channels_last_3d}


def folded(network: Network) -> Network:
    """A copy of ``network`` (evaluation mode), batch norms that follow a convolution folded into it."""
    copied = copy.deepcopy(network)
    for module in list(copied.modules()):
        for conv_name, norm_name in getattr(module, "FOLDS", ()):
            _fold(module, conv_name, norm_name)
    return copied


def folded_generator(generator: Generator, points: PointMotion | None = None) -> Generator:
    """The renderer for serving: batch norms and spectral norms folded, the decoder and the motion rewritten.

    points: how the key points' motion is computed; sampled warps and summed shifts by default, which is the
    fastest on a CPU. ``SeparableMotion`` samples nothing.
    """
    assert isinstance(generator.decoder, SpadeDecoder)
    copied = folded(generator)
    copied.decoder = FoldedSpadeDecoder(generator.decoder)
    copied.dense_motion_network.points = points or SummedMotion()
    return copied.eval()


def lean_generator(generator: Generator) -> Generator:
    """``folded_generator`` as a GPU computes it fastest, laid out channels last."""
    assert isinstance(generator.decoder, SpadeDecoder)
    copied = folded_generator(generator)
    copied.decoder = LeanSpadeDecoder(generator.decoder)
    motion = copied.dense_motion_network
    motion.set_submodule("mask", SlicedConv3d(motion.mask))
    for parameter in copied.parameters():
        if (layout := _LAST.get(parameter.ndim)) is not None:
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return copied.eval()


def _fold(module: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
    assert isinstance(conv, nn.Conv2d | nn.Conv3d)
    assert isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d)
    scale, shift = _affine(norm)
    weight = conv.weight.double() * scale.reshape(-1, *[1] * (conv.weight.ndim - 1))
    bias = shift if conv.bias is None else conv.bias.double() * scale + shift
    conv.weight = nn.Parameter(weight.float(), requires_grad=False)
    conv.bias = nn.Parameter(bias.float(), requires_grad=False)
    module.set_submodule(norm_name, nn.Identity())


def _affine(norm: nn.BatchNorm2d | nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
    """Scale and shift of a batch norm, float64 [C] each."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.double() - norm.running_mean.double() * scale
