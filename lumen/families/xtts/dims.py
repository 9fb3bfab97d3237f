"""The sizes of an XTTS checkpoint: written into every artifact's manifest, read by what serves it."""

from dataclasses import asdict, dataclass
from typing import Final

CODE_SAMPLES: Final = 1024
"""Samples at 22.05 kHz that one audio code stands for: 21.53 codes per second."""


@dataclass(frozen=True)
class XttsDims:
    """The sizes of the GPT and its vocabularies; the defaults are the released XTTS v2.

    Attributes:
        layers: transformer blocks.
        width: of a hidden state and of a latent.
        heads: attention heads; a head is ``width // heads`` wide.
        text_vocabulary: text ids, special ones included.
        audio_vocabulary: audio codes, start and stop included.
        start_text, stop_text: ids around the text.
        start_audio, stop_audio: codes around the speech.
        max_text: text ids of one sentence at most; with start and stop they have two positions more.
        max_audio: audio codes of one sentence at most.
    """

    layers: int = 30
    width: int = 1024
    heads: int = 16
    text_vocabulary: int = 6681
    audio_vocabulary: int = 1026
    start_text: int = 261
    stop_text: int = 0
    start_audio: int = 1024
    stop_audio: int = 1025
    max_text: int = 402
    max_audio: int = 605

    def to_json(self) -> dict[str, int]:
        return asdict(self)
