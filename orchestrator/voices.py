"""Voices: text becomes mono speech, piece by piece."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from lumen import espeak_catalog
from lumen.contracts import ESPEAK, ESPEAK_SAMPLE_RATE
from lumen.errors import InvalidInputException
from orchestrator.streams import Stream
from orchestrator.triton import Tensors, TritonClient, text_tensor


@dataclass(frozen=True)
class Manner:
    """How to speak: a language such as ``en`` or ``de``, a voice of the part, 1.0 for normal speed."""

    language: str
    voice: str
    speed: float


class Voice(Protocol):
    """A part that speaks."""

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]:
        """Triton models it needs, in the order to load them."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second of what it yields."""
        ...

    @property
    def languages(self) -> Mapping[str, str]:
        """Codes of languages, with their English names."""
        ...

    @property
    def voices(self) -> Sequence[str]: ...

    def speak(self, text: str, manner: Manner) -> Stream[npt.NDArray[np.float32]]:
        """Yield float32 [n_samples] in -1..1 while it is being spoken.

        Raises:
            InvalidInputException: it does not know the language or the voice.
        """
        ...


class EspeakVoice:
    """eSpeak NG behind Triton."""

    name: Final = "espeak"
    models: Final = (ESPEAK,)
    sample_rate: Final = ESPEAK_SAMPLE_RATE
    languages: Final = espeak_catalog.LANGUAGES
    voices: Final = espeak_catalog.VOICES

    def __init__(self, triton: TritonClient) -> None:
        self._triton = triton

    async def speak(self, text: str, manner: Manner) -> Stream[npt.NDArray[np.float32]]:
        inputs: Tensors = {
            "text": text_tensor(text),
            "language": text_tensor(manner.language),
            "voice": text_tensor(manner.voice),
            "rate": np.array([manner.speed], np.float32),
        }
        async with aclosing(self._triton.stream(ESPEAK, inputs)) as answers:
            async for answer in answers:
                yield answer["pcm"]


def check_manner(voice: Voice, manner: Manner) -> None:
    """Refuse what ``voice`` certainly cannot do, before anything is loaded or written.

    A region that it does not know is left to its model, which may fall back to the language.

    Raises:
        InvalidInputException: the language or the voice is unknown.
    """
    language = _primary(manner.language)
    if language not in {_primary(code) for code in voice.languages} | espeak_catalog.OTHER_CODES:
        near = difflib.get_close_matches(language, voice.languages)
        raise InvalidInputException(_unknown("language", manner.language, near or voice.languages))
    if manner.voice.strip().lower() not in {name.lower() for name in voice.voices}:
        near = difflib.get_close_matches(manner.voice, voice.voices)
        raise InvalidInputException(_unknown("voice", manner.voice, near or voice.voices))


def _primary(code: str) -> str:
    """The language of a code without region and script."""
    return code.strip().lower().replace("_", "-").partition("-")[0]


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    return f"There is no {kind} {name!r}; send one of: {', '.join(known)}."
