"""Writes a checkpoint in the released layout, filled with random numbers.

It proves speed, format and parity; it restores no faces. The gains keep activations in range.
"""

from functools import partial
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from export.gfpgan.files import ENTRY, FILE
from export.gfpgan.networks.restorer import Restorer
from export.sadtalker.random import State, random_state
from export.state import write_aside
from lumen.families.gfpgan.dims import GfpganDims

SHORTCUT: Final = 0.6
"""Gain of the blocks' two ways, whose sum would grow otherwise."""

GUIDANCE: Final = 0.3
"""Gain of what the decoder's maps are scaled and shifted by; the scales are about 1."""

NOISE: Final = 0.1
"""Strength of the stored noise."""

COLOUR: Final = 0.3
"""Gain of the layers that make colours: nine levels are added up."""


def write_random(folder: Path, seed: int, dims: GfpganDims | None = None) -> Path:
    """Write ``GFPGANv1.4.pth`` into ``folder``.

    dims: widths other than the released ones. The released ones take 0.35 GB on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {ENTRY: weights(dims or GfpganDims(), seed)}
    write_aside(folder / FILE, partial(torch.save, content))
    return folder / FILE


def weights(dims: GfpganDims, seed: int) -> State:
    """Every tensor of the checkpoint; it depends on its name, its shape and the seed alone."""
    with torch.device("meta"):
        layout = Restorer(dims).state_dict()
    return {name: _in_range(name, value) for name, value in random_state(layout, seed).items()}


def _in_range(name: str, value: Tensor) -> Tensor:
    if name.startswith("stylegan_decoder."):
        return _of_decoder(name, value)
    if name.startswith(("condition_scale", "condition_shift")) and ".2." in name:
        centre = float(name.startswith("condition_scale") and name.endswith("bias"))
        return value * GUIDANCE + centre
    if "conv2.weight" in name or "skip.weight" in name:
        return value * SHORTCUT
    return value


def _of_decoder(name: str, value: Tensor) -> Tensor:
    if name.endswith("modulation.bias"):
        return value + 1
    if name.endswith("modulation.weight"):
        return value * GUIDANCE
    if ".noises." in name or name.endswith("constant_input.weight"):
        return value / value.std()
    if value.shape == (1,):
        return value * NOISE
    if "to_rgb" in name and name.endswith("modulated_conv.weight"):
        return value * COLOUR
    if name.endswith("bias") and value.ndim == 4:
        return value * NOISE
    return value
