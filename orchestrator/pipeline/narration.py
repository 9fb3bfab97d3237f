"""Narration: a text spoken as one utterance, and all that becomes known of it meanwhile."""

from contextlib import aclosing
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream, tee
from lumen.errors import InvalidInputException
from lumen.text.speakable import check_speakable
from lumen.utterance import Sentence, SpeechChunk
from lumen.visemes.track import PhonemeTrack
from orchestrator.pipeline.captions import CaptionTrack
from orchestrator.pipeline.speech import DurationLimit
from orchestrator.pipeline.utterance import sentences_of
from orchestrator.voices.voice import BoundVoice

SLOWEST: Final = 0.09
"""Seconds per character that a sentence is expected to last while none has been heard."""

Pcm = npt.NDArray[np.float32]


class Narration:
    """Speaks one text.

    Attributes:
        voice: the one that speaks.
        captions: sentences and words so far. phonemes: likewise, where the voice tells them.
        warnings: about the text and its speech; complete at the end.

    Args:
        voice: speaks.
        utterance: id of what is spoken.
        max_seconds: of its sound.
        ends_early: whether a text that is too long ends with the last sentence that fits, with a warning;
            else it is refused.
    """

    def __init__(
        self, voice: BoundVoice, utterance: str, max_seconds: float, *, ends_early: bool = False
    ) -> None:
        rate = voice.family.sample_rate
        self.captions = CaptionTrack(rate)
        self.phonemes = PhonemeTrack(rate)
        self.warnings: list[str] = []
        self.voice = voice
        self._utterance = utterance
        self._max_seconds = max_seconds
        self._ends_early = ends_early
        self._limit = DurationLimit(rate, max_seconds)
        self._characters = 0

    @property
    def limit(self) -> DurationLimit:
        """Measure of the sound so far."""
        return self._limit

    def check(self, text: str) -> None:
        """Refuse a text that the voice cannot speak, and note what it leaves out.

        Raises:
            InvalidInputException: too little of it has a sound; the message names the text's language.
        """
        reading = self.voice.family.reading
        self.warnings += check_speakable(text, self.voice.language, reading.can_speak)

    async def speak(self, text: Stream[str]) -> Stream[Pcm]:
        """Yield the sound of a text, whole or still being written: float32 [n_samples].

        Raises:
            InvalidInputException: nothing of it can be spoken, or it is too long.
        """
        sentences = sentences_of(text, self._utterance, self.voice.language, self.voice.family.reading)
        chunks = self.voice.speak(tee(self._fitting(sentences), self.captions.write))
        async with aclosing(chunks):
            async for chunk in chunks:
                if self._ends_early and self._is_too_much(chunk):
                    self._end("in the middle of a sentence")
                    return
                self._limit.add(chunk.pcm)
                self.captions.hear(chunk)
                self.phonemes.add(chunk)
                yield chunk.pcm

    async def _fitting(self, sentences: Stream[Sentence]) -> Stream[Sentence]:
        """Yield the sentences that will probably fit; the first one always."""
        async with aclosing(sentences):
            async for sentence in sentences:
                if self._ends_early and sentence.index and not self._fits(sentence):
                    self._end("at the last sentence that fits")
                    return
                self._characters += len(sentence.text)
                yield sentence

    def _fits(self, sentence: Sentence) -> bool:
        heard = self._limit.seconds
        pace = heard / self._characters if heard and self._characters else SLOWEST
        return heard + pace * len(sentence.text) <= self._max_seconds

    def _is_too_much(self, chunk: SpeechChunk) -> bool:
        return self._limit.seconds + len(chunk.pcm) / self.voice.family.sample_rate > self._max_seconds

    def _end(self, where: str) -> None:
        self.warnings.append(
            f"the reply is longer than the {self._max_seconds:g} s that a clip may have; it ends {where}"
        )


def check_written(narration: Narration, text: str) -> None:
    """Note what a voice left out of a text that a writer wrote; what cannot be spoken is a warning then."""
    try:
        narration.check(text)
    except InvalidInputException as error:
        narration.warnings.append(error.message)
