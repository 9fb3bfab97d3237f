"""A vocoder that sounds at a hundredth of the cost: for tests that are of other things than its sound."""

from typing import Any

from lumen.families.xtts.coqui import coqui

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
