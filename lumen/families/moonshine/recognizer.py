"""Moonshine: speech to text, token by token.

N. Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands", 2024. An
encoder reads the samples themselves, 41 vectors a second; a decoder writes tokens greedily, with the keys and
values of those before it.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from lumen.contracts import LISTENER_SAMPLE_RATE
from lumen.families.moonshine.tokens import BEGIN, END, Vocabulary
from lumen.families.speech_input import Pcm, spoken_part
from lumen.runtime.onnx_package import open_network, package_file

FOLDER: Final = Path("assets", "tiny-en")
FILES: Final = {
    "encoder_model.ort": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    "decoder_model_merged.ort": "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
    "tokenizer.bin": "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
}
"""Files of the checkpoint with their SHA-256."""

LAYERS, HEADS, HEAD_WIDTH = 6, 8, 36
"""Layers of the decoder."""

TOKENS_PER_SECOND: Final = 6.5
"""Tokens of a second of speech, over which a text is a loop; the authors' own limit."""

Cache = dict[str, Pcm]


class Moonshine:
    """Recognises one utterance at a time, with one thread.

    Raises:
        ModelLoadException: the package is not installed, or carries other files.
    """

    def __init__(self) -> None:
        encoder, decoder, tokenizer = (
            package_file("moonshine_voice", FOLDER / name, digest, "scripts/setup --listen")
            for name, digest in FILES.items()
        )
        self._encoder: Any = open_network(encoder)
        self._decoder: Any = open_network(decoder)
        self._outputs = [output.name for output in self._decoder.get_outputs()]
        self._vocabulary = Vocabulary(tokenizer.read_bytes())

    def transcribe(self, pcm: Pcm) -> str:
        """Recognise an utterance; "" where nothing is said.

        Args:
            pcm: float32 [n_samples] in -1..1 at ``LISTENER_SAMPLE_RATE``.

        Raises:
            InvalidInputException: it is longer than ``MAX_SPEECH_SECONDS``.
        """
        said = spoken_part(pcm)
        if said is None:
            return ""
        limit = round(len(said) / LISTENER_SAMPLE_RATE * TOKENS_PER_SECOND) + 1
        return self._vocabulary.text(self._decode(self._encode(said), limit))

    def _encode(self, pcm: Pcm) -> Pcm:
        """float32 [1, n, 288] for float32 [n_samples]."""
        feeds = {"input_values": pcm[None], "attention_mask": np.ones((1, len(pcm)), np.int64)}
        found: Pcm = self._encoder.run(None, feeds)[0]
        return found

    def _decode(self, heard: Pcm, limit: int) -> list[int]:
        """Write up to ``limit`` tokens, each the likeliest one."""
        fixed = {
            "encoder_hidden_states": heard,
            "encoder_attention_mask": np.ones(heard.shape[:2], np.int64),
        }
        cache, tokens = _empty_cache(heard.shape[1]), [BEGIN]
        while len(tokens) <= limit:
            first = len(tokens) == 1
            step = {"input_ids": np.array([tokens[-1:]], np.int64), "use_cache_branch": np.array([not first])}
            answer = dict(
                zip(self._outputs, self._decoder.run(None, {**fixed, **step, **cache}), strict=True)
            )
            token = int(answer["logits"][0, -1].argmax())
            if token == END:
                break
            tokens.append(token)
            cache = _grown(cache, answer, first)
        return tokens[1:]


def _empty_cache(heard: int) -> Cache:
    """Keys and values before the first token: float32 [1, HEADS, n, HEAD_WIDTH] each."""
    lengths = {"decoder": 0, "encoder": heard}
    return {
        f"past_key_values.{layer}.{side}.{kind}": np.zeros((1, HEADS, length, HEAD_WIDTH), np.float32)
        for layer in range(LAYERS)
        for side, length in lengths.items()
        for kind in ("key", "value")
    }


def _grown(cache: Cache, answer: Cache, first: bool) -> Cache:
    """The cache after a token; what belongs to the encoder is made with the first one and stays."""
    return {
        name: answer[name.replace("past_key_values", "present")] if first or ".decoder." in name else value
        for name, value in cache.items()
    }
