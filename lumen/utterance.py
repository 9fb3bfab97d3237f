"""Utterances: texts spoken as one, sentence by sentence, whether whole or still being written.

A sentence crosses the wire to a voice with its place in the utterance, so that a voice that draws by chance,
pauses between sentences, or ranks its listeners does so for the utterance, however its text arrived.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lumen.timed_speech import TimedSpeech


@dataclass(frozen=True)
class Sentence:
    """Sentence on its way to a voice.

    Attributes:
        text: what is spoken.
        utterance: id of the utterance; "" for a text that is spoken alone.
        index: of the sentence in it, from 0.
        last: whether the utterance ends with it.
        shown: as a reader sees it, for captions.
    """

    text: str
    utterance: str = ""
    index: int = 0
    last: bool = True
    shown: str = ""

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Make the inputs that every voice's model takes.

        Returns:
            text and utterance BYTES [1], sentence INT32 [1], last BOOL [1].
        """
        return {
            "text": np.array([self.text.encode()], np.object_),
            "utterance": np.array([self.utterance.encode()], np.object_),
            "sentence": np.array([self.index], np.int32),
            "last": np.array([self.last], np.bool_),
        }


@dataclass(frozen=True)
class SpeechChunk:
    """A piece of an utterance's sound.

    Attributes:
        speech: its samples at the voice's rate, and what is said when in them, where the voice knows.
        start: seconds from the utterance's beginning to its first sample.
        sentence: index of the sentence that it belongs to.
    """

    speech: TimedSpeech
    start: float
    sentence: int

    @property
    def pcm(self) -> npt.NDArray[np.float32]:
        """Samples, float32 [n_samples] in -1..1, mono."""
        return self.speech.pcm
