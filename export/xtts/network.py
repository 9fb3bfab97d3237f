"""Builds the reference network without memory for the GPT's weights, which a checkpoint brings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.dims import XttsDims


def build(config: Any, dims: XttsDims) -> Any:
    """The reference's ``Xtts``; its GPT is on the device "meta", the decoder has its initial weights.

    Args:
        config: the reference's ``XttsConfig``; its text ids are set to those of ``dims``.
    """
    import torch

    args = config.model_args
    args.gpt_number_text_tokens = None  # the reference builds no GPT then: it would be in memory twice
    model = coqui("TTS.tts.models.xtts").Xtts(config)
    args.gpt_number_text_tokens = dims.text_vocabulary
    args.gpt_start_text_token, args.gpt_stop_text_token = dims.start_text, dims.stop_text
    with torch.device("meta"), without_advice():
        model.gpt = _gpt(args, dims)
    return model


@contextmanager
def without_advice() -> Iterator[None]:
    """Silences what transformers says about text ids of GPT-2 that XTTS does not use."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _gpt(args: Any, dims: XttsDims) -> Any:
    gpt = coqui("TTS.tts.layers.xtts.gpt").GPT
    return gpt(
        layers=dims.layers,
        model_dim=dims.width,
        heads=dims.heads,
        max_text_tokens=dims.max_text,
        max_mel_tokens=dims.max_audio,
        max_prompt_tokens=args.gpt_max_prompt_tokens,
        number_text_tokens=dims.text_vocabulary,
        start_text_token=dims.start_text,
        stop_text_token=dims.stop_text,
        num_audio_tokens=dims.audio_vocabulary,
        start_audio_token=dims.start_audio,
        stop_audio_token=dims.stop_audio,
        use_perceiver_resampler=True,
        code_stride_len=args.gpt_code_stride_len,
    )
