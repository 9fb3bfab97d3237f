"""Layout of the reference's ``HifiganGenerator`` (Kong et al., 2020, arXiv:2010.05646), for the exporters."""

from typing import Any, Final

import numpy as np

from lumen.families.xtts.vocoder_windows import VocoderContext

SLOPE: Final = 0.1
"""Slope of its leaky ReLUs."""

LAST_SLOPE: Final = 0.01
"""Slope of the leaky ReLU before the last convolution."""


def context_of(net: Any) -> VocoderContext:
    """The exact receptive field of a ``HifiganGenerator``."""
    return VocoderContext(reach(net)[0])


def reach(net: Any) -> list[int]:
    """Frames on each side of the wanted ones that the input and every stage's output depend on.

    Walks back through the layers: a convolution needs half its extent more, a transposed one of
    stride s as many of its inputs as lie under its kernel.
    """
    need = net.conv_post.kernel_size[0] // 2
    rate = int(np.prod([layer.stride[0] for layer in net.ups]))
    found = []
    for stage in reversed(range(net.num_upsamples)):
        need += max(_reach_of(block) for block in blocks(net, stage))
        found.append(-(-need // rate))
        layer = net.ups[stage]
        need = (need + layer.kernel_size[0] - 1 - layer.padding[0]) // layer.stride[0]
        rate //= layer.stride[0]
    found.append(need + net.conv_pre.kernel_size[0] // 2)
    return found[::-1]


def blocks(net: Any, stage: int) -> Any:
    """The residual blocks of a stage, side by side."""
    return net.resblocks[stage * net.num_kernels :][: net.num_kernels]


def _reach_of(block: Any) -> int:
    layers = (*block.convs1, *block.convs2)
    return sum(layer.dilation[0] * (layer.kernel_size[0] - 1) // 2 for layer in layers)
