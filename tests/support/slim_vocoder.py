"""A vocoder that sounds at a hundredth of the cost: for tests that are of other things than its sound."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lumen.contracts import XTTS_SPEAKER_WIDTH
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.vocoder_windows import Latents, VocoderContext, Window, Windows

TOLERANCE = 1e-3
"""Share of the reference's largest sample, fp32."""

WIDTH = 8

CHANNELS = 32
LOUDER = 2.5
BIAS = 0.2


def slim_decoder(width: int) -> Any:
    """The reference's decoder with its kernels, strides and dilations, but few channels; not quiet.

    Args:
        width: of a latent.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        decoder = coqui("TTS.tts.layers.xtts.hifigan_decoder").HifiDecoder(
            decoder_input_dim=width, upsample_initial_channel_decoder=CHANNELS
        )
    for name, parameter in decoder.waveform_decoder.named_parameters():
        if name.endswith("weight.original0"):  # weight norm's lengths
            parameter.data *= LOUDER
        elif name.endswith("bias"):
            parameter.data *= BIAS
    return decoder.eval().requires_grad_(False)


def speaker(seed: int = 0) -> Latents:
    random = np.random.default_rng(seed).standard_normal((1, XTTS_SPEAKER_WIDTH), np.float32)
    return random / np.linalg.norm(random)


def sentence(length: int, seed: int = 1) -> Latents:
    return np.random.default_rng(seed).standard_normal((length, WIDTH), np.float32)


def cut(chunks: Sequence[Latents]) -> list[Window]:
    cutter = Windows(VocoderContext())
    return [window for chunk in chunks for window in cutter.push(chunk)] + cutter.finish()
