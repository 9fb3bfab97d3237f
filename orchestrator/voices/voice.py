"""Voices: text becomes mono speech, piece by piece."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from lumen.aio import Stream
from lumen.errors import BusyException, ServiceUnavailableException
from lumen.families.description import NoOptions, VoiceFamily
from lumen.timed_speech import TimedSpeech
from lumen.utterance import Sentence, SpeechChunk
from orchestrator.request_context import EVERYONE
from orchestrator.triton.client import Tensors, TritonClient, text_tensor

ROOM_SECONDS: Final = 0.5
ROOM_ATTEMPTS: Final = 60
"""Tries of the later sentences of an utterance at a model that has no room: half a minute."""


@dataclass(frozen=True)
class SpeechOptions:
    """Options of speech.

    Attributes:
        language: such as ``en`` or ``de``.
        voice: id or name of a voice of the part.
        speed: 1.0 is normal.
        seed: the same one makes the same speech; None where chance has no part in it.
        options: instance of the options class of the voice's family.
    """

    language: str
    voice: str
    speed: float
    seed: int | None = None
    options: Any = field(default_factory=NoOptions)


@dataclass(frozen=True)
class VoiceCard:
    """Description of a voice.

    Attributes:
        seconds: of the recordings that a custom voice was made of.
        created: ISO 8601, UTC, of a custom voice.
        usable: False when it was made with another checkpoint than the one that is served.
        warnings: what may spoil a custom voice, a sentence each.
        language, gender: of the speaker that it learned from, where they are known.
        consent: statement that came with the recordings of a custom voice.
        owner: id of the key that it belongs to; "" where it is everyone's.
    """

    id: str
    name: str
    kind: Literal["builtin", "custom"]
    seconds: float | None = None
    created: str | None = None
    usable: bool = True
    warnings: tuple[str, ...] | None = None
    owner: str = EVERYONE
    language: str | None = None
    gender: Literal["female", "male"] | None = None
    consent: str | None = None


class BoundVoice:
    """A voice with its options: all that its model is told besides the text. What it holds stays valid.

    Args:
        family: of the part that speaks.
        voice: id of the voice.
        language: that it speaks.
        tensors: inputs of the family's model besides the sentence.
        first_timeout: seconds until the first sound of a sentence; the client's own where there is none.
    """

    def __init__(
        self,
        triton: TritonClient,
        family: VoiceFamily,
        voice: str,
        language: str,
        tensors: Tensors,
        first_timeout: float | None = None,
    ) -> None:
        self.family = family
        self.voice = voice
        self.language = language
        self._triton = triton
        self._tensors = tensors
        self._first_timeout = first_timeout

    async def speak(self, sentences: Stream[Sentence]) -> Stream[SpeechChunk]:
        """Speak the sentences of an utterance in order; their sound comes while it is being made.

        Raises:
            InvalidInputException: the model refuses a sentence.
            BusyException: the model has no room for the first sentence now; later ones wait for room.
        """
        samples = 0
        async with aclosing(sentences):
            async for sentence in sentences:
                async with aclosing(self._sentence(sentence)) as sound:
                    async for speech in sound:
                        yield SpeechChunk(speech, samples / self.family.sample_rate, sentence.index)
                        samples += len(speech.pcm)

    async def _sentence(self, sentence: Sentence) -> Stream[TimedSpeech]:
        inputs = {**sentence.tensors(), **self._tensors}
        probe = {**inputs, "text": text_tensor("")}
        model, heard, refused = self.family.model, 0, 0
        attempts = self._triton.attempts(model)
        while True:
            skipped = heard  # with the same seed another Triton says the same again
            try:
                stream = self._triton.stream(
                    model, inputs, self._first_timeout, probe=probe, span_name="sentence"
                )
                async with aclosing(stream) as answers:
                    async for answer in answers:
                        speech = TimedSpeech.from_tensors(answer)
                        known = min(skipped, len(speech.pcm))
                        skipped -= known
                        if known < len(speech.pcm):
                            heard += len(speech.pcm) - known
                            yield speech.behind(known, self.family.sample_rate) if known else speech
                return
            except BusyException:  # comes before any sound
                refused += 1
                if sentence.index == 0 or refused == ROOM_ATTEMPTS:
                    raise
                await asyncio.sleep(ROOM_SECONDS)
            except ServiceUnavailableException as error:
                await attempts.failed(error)


class Voice(Protocol):
    """A part that speaks."""

    @property
    def family(self) -> VoiceFamily: ...

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]:
        """Triton models it always needs, in the order to load them."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second of the speech it makes."""
        ...

    def choose(self, language: str, voice: str) -> "Voice":
        """The part that speaks ``language`` with ``voice``: itself, but for a rule over several parts."""
        ...

    async def cards(self) -> Sequence[VoiceCard]:
        """All its voices."""
        ...

    async def card(self, voice: str) -> VoiceCard:
        """The voice of this id or name.

        Raises:
            NotFoundException: there is none.
        """
        ...

    async def bind(self, options: SpeechOptions) -> BoundVoice:
        """Bind the voice to ``options``. No model is asked for that, and none needs to be loaded.

        Raises:
            InvalidInputException: it does not know the language or the voice.
        """
        ...

    async def clone(
        self, recordings: Sequence[bytes], name: str | None, consent: str | None = None
    ) -> tuple[VoiceCard, bool]:
        """A voice like that in ``recordings``, which are whole files, and whether it is a new one.

        Args:
            consent: statement of the speaker's, which is kept with the voice.

        Raises:
            InvalidInputException: they cannot be used, or it cannot clone voices.
        """
        ...

    async def delete(self, voice: str) -> None:
        """Remove a cloned voice by its id; speech that it has begun goes on.

        Raises:
            NotFoundException: there is none of that id.
            InvalidInputException: it is not a cloned one.
        """
        ...
