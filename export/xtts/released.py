"""The configuration that XTTS v2 was released with, for checkpoints made here."""

from typing import Any, Final

from export.xtts.texts import TEXTS
from lumen.contracts import XTTS_REFERENCE_RATE, XTTS_SAMPLE_RATE, XTTS_SPEAKER_WIDTH
from lumen.families.xtts.dims import CODE_SAMPLES, XttsDims

SAMPLING: Final = {
    "temperature": 0.75,
    "top_k": 50,
    "top_p": 0.85,
    "repetition_penalty": 5.0,
    "length_penalty": 1.0,
    "num_gpt_outputs": 1,
}

CLONING: Final = {"gpt_cond_len": 30, "gpt_cond_chunk_len": 4, "max_ref_len": 30, "sound_norm_refs": False}
"""Seconds of reference audio."""


def config_of(dims: XttsDims) -> dict[str, Any]:
    """Content of ``config.json`` for a network of these sizes."""
    audio = {
        "sample_rate": XTTS_REFERENCE_RATE,
        "output_sample_rate": XTTS_SAMPLE_RATE,
        "dvae_sample_rate": XTTS_REFERENCE_RATE,
    }
    args = _model_args(dims)
    return {
        "model": "xtts",
        "audio": audio,
        "model_args": args,
        "languages": list(TEXTS),
        **SAMPLING,
        **CLONING,
    }


def _model_args(dims: XttsDims) -> dict[str, Any]:
    return {
        "gpt_batch_size": 1,
        "enable_redaction": False,
        "kv_cache": True,
        "num_chars": 255,
        "tokenizer_file": "",
        "gpt_max_audio_tokens": dims.max_audio,
        "gpt_max_text_tokens": dims.max_text,
        "gpt_max_prompt_tokens": 70,
        "gpt_layers": dims.layers,
        "gpt_n_model_channels": dims.width,
        "gpt_n_heads": dims.heads,
        "gpt_number_text_tokens": dims.text_vocabulary,
        "gpt_start_text_token": None,
        "gpt_stop_text_token": None,
        "gpt_num_audio_tokens": dims.audio_vocabulary,
        "gpt_start_audio_token": dims.start_audio,
        "gpt_stop_audio_token": dims.stop_audio,
        "gpt_code_stride_len": CODE_SAMPLES,
        "gpt_use_masking_gt_prompt_approach": True,
        "gpt_use_perceiver_resampler": True,
        "input_sample_rate": XTTS_REFERENCE_RATE,
        "output_sample_rate": XTTS_SAMPLE_RATE,
        "output_hop_length": 256,
        "decoder_input_dim": dims.width,
        "d_vector_dim": XTTS_SPEAKER_WIDTH,
        "cond_d_vector_in_each_upsampling_layer": True,
    }
