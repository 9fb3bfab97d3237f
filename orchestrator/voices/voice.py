"""Voices: text becomes mono speech, piece by piece."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream
from lumen.contracts import ESPEAK, ESPEAK_SAMPLE_RATE
from lumen.errors import InvalidInputException, NotFoundException
from lumen.families.espeak import catalog as espeak_catalog
from orchestrator.core.utils import excerpt
from orchestrator.triton.client import Tensors, TritonClient, text_tensor

DEFAULT: Final = "default"
"""The name under which every part has a voice."""

MAX_NAMED: Final = 40
"""Names that a message lists at most."""


@dataclass(frozen=True)
class Sampling:
    """How a voice that draws its speech by chance draws it; None leaves a value to its checkpoint.

    Attributes:
        temperature: 0 takes the likeliest.
        top_k: so many of the likeliest remain; 0 keeps all.
        top_p: the likeliest remain that have this probability together.
        repetition_penalty: divides the odds of what has been; 1 changes nothing.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None


@dataclass(frozen=True)
class SpeechOptions:
    """How to speak.

    Attributes:
        language: such as ``en`` or ``de``.
        voice: id or name of a voice of the part.
        speed: 1.0 is normal.
        seed: the same one makes the same speech; None where chance has no part in it.
        sampling: None where chance has no part in it.
    """

    language: str
    voice: str
    speed: float
    seed: int | None = None
    sampling: Sampling | None = None


@dataclass(frozen=True)
class VoiceCard:
    """What is told of a voice.

    Attributes:
        seconds: of the recordings that a custom voice was made of.
        created: ISO 8601, UTC, of a custom voice.
        usable: False when it was made with another checkpoint than the one that is served.
    """

    id: str
    name: str
    kind: Literal["builtin", "custom"]
    seconds: float | None = None
    created: str | None = None
    usable: bool = True


class BoundVoice:
    """A voice in a manner: all that its model is told besides the text. What it holds stays valid.

    Args:
        voice: id of the voice.
        tensors: inputs of ``model`` besides ``text``.
        first_timeout: seconds until the first sound of a text; the client's own where there is none.
    """

    def __init__(
        self,
        triton: TritonClient,
        model: str,
        voice: str,
        tensors: Tensors,
        first_timeout: float | None = None,
    ) -> None:
        self.voice = voice
        self._triton = triton
        self._model = model
        self._tensors = tensors
        self._first_timeout = first_timeout

    async def speak(self, text: str) -> Stream[npt.NDArray[np.float32]]:
        """Yield float32 [n_samples] in -1..1 while it is being spoken.

        Raises:
            InvalidInputException: its model refuses the text.
            BusyException: its model has no room now.
        """
        inputs = {"text": text_tensor(text), **self._tensors}
        probe = {**inputs, "text": text_tensor("")}
        stream = self._triton.stream(self._model, inputs, self._first_timeout, probe=probe)
        async with aclosing(stream) as answers:
            async for answer in answers:
                yield answer["pcm"]


class Voice(Protocol):
    """A part that speaks."""

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]:
        """Triton models it speaks with, in the order to load them."""
        ...

    @property
    def cloning_models(self) -> tuple[str, ...]:
        """Triton models that only `clone` needs."""
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
    def draws(self) -> bool:
        """Whether it draws its speech by chance: only then it has a use for a seed and for `Sampling`."""
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

    async def speaker(self, options: SpeechOptions) -> BoundVoice:
        """Who speaks in this manner. No model is asked for that, and none needs to be loaded.

        Raises:
            InvalidInputException: it does not know the language or the voice.
        """
        ...

    async def clone(self, recordings: Sequence[bytes], name: str | None) -> tuple[VoiceCard, bool]:
        """A voice like that in ``recordings``, which are whole files, and whether it is a new one.

        Raises:
            InvalidInputException: they cannot be used, or it cannot learn.
        """
        ...

    async def delete(self, voice: str) -> None:
        """Remove a learned voice by its id; who speaks with it now goes on.

        Raises:
            NotFoundException: there is none of that id.
            InvalidInputException: it was not learned.
        """
        ...


class EspeakVoice:
    """eSpeak NG behind Triton."""

    name: Final = "espeak"
    models: Final = (ESPEAK,)
    cloning_models: Final = ()
    sample_rate: Final = ESPEAK_SAMPLE_RATE
    languages: Final = espeak_catalog.LANGUAGES
    draws: Final = False

    def __init__(self, triton: TritonClient) -> None:
        self._triton = triton

    async def cards(self) -> Sequence[VoiceCard]:
        return [VoiceCard(name, name, "builtin") for name in espeak_catalog.VOICES]

    async def card(self, voice: str) -> VoiceCard:
        for card in await self.cards():
            if card.name.lower() == voice.strip().lower():
                return card
        raise NotFoundException(unknown("voice", voice, espeak_catalog.VOICES))

    async def speaker(self, options: SpeechOptions) -> BoundVoice:
        """A region that is not known is left to the model, which may fall back to the language."""
        language = primary(options.language)
        if language not in {primary(code) for code in self.languages} | espeak_catalog.OTHER_CODES:
            raise InvalidInputException(unknown("language", options.language, self.languages))
        if options.voice.strip().lower() not in {name.lower() for name in espeak_catalog.VOICES}:
            raise InvalidInputException(unknown("voice", options.voice, espeak_catalog.VOICES))
        tensors: Tensors = {
            "language": text_tensor(options.language),
            "voice": text_tensor(options.voice),
            "rate": np.array([options.speed], np.float32),
        }
        return BoundVoice(self._triton, ESPEAK, options.voice, tensors)

    async def clone(self, recordings: Sequence[bytes], name: str | None) -> tuple[VoiceCard, bool]:
        self._refuse()

    async def delete(self, voice: str) -> None:
        await self.card(voice)
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InvalidInputException(
            "The voice part is espeak, whose voices are fixed; with VOICE=xtts voices are made and removed."
        )


def primary(code: str) -> str:
    """The language of a code without region and script."""
    return code.strip().lower().replace("_", "-").partition("-")[0]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What is said of a ``name`` that is not among ``known``: near ones, or up to ``MAX_NAMED``."""
    name, names = excerpt(name), list(known)
    if not names:
        return f"There is no {kind} {name!r}; none is made yet."
    near = difflib.get_close_matches(name.lower(), names) or names
    more = f" and {len(near) - MAX_NAMED} more" if len(near) > MAX_NAMED else ""
    return f"There is no {kind} {name!r}; send one of: {', '.join(near[:MAX_NAMED])}{more}."
