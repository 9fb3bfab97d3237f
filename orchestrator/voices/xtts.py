"""The voice XTTS v2 behind Triton: 17 languages, in the checkpoint's voices and in learned ones."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from lumen.contracts import (
    XTTS,
    XTTS_CONDITIONING,
    XTTS_GPT,
    XTTS_SAMPLE_RATE,
    XTTS_SPEAKER,
    XTTS_VOCODER,
)
from lumen.errors import InvalidInputException
from lumen.families.xtts.gpt.sampling import TENSORS
from orchestrator.triton.client import Tensors, TritonClient, text_tensor
from orchestrator.voices import references
from orchestrator.voices.library import EMBEDDING, LATENT, ClonedVoice, Latents, VoiceLibrary
from orchestrator.voices.voice import BoundVoice, Sampling, SpeechOptions, VoiceCard, primary, unknown

LANGUAGES: Final = {
    "ar": "Arabic",
    "cs": "Czech",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "hu": "Hungarian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "zh-cn": "Chinese (Mandarin)",
}
"""Codes with the languages' English names."""

ALIASES: Final = {"zh": "zh-cn", "cmn": "zh-cn"}
"""Codes of other standards, with the model's."""

Load = Callable[[Iterable[str]], Awaitable[None]]
"""Loads those of the named models that are not loaded."""


class XttsVoice:
    """XTTS v2 behind Triton.

    Args:
        load: for the models that only learning needs.
        max_seconds: of the recordings of one voice, all together.
        first_timeout: seconds until the first sound of a text, which may wait for a slot.
    """

    name: Final = "xtts"
    models: Final = (XTTS_VOCODER, XTTS_GPT, XTTS)
    cloning_models: Final = (XTTS_CONDITIONING, XTTS_SPEAKER)
    sample_rate: Final = XTTS_SAMPLE_RATE
    languages: Final = LANGUAGES
    draws: Final = True

    def __init__(
        self,
        triton: TritonClient,
        load: Load,
        library: VoiceLibrary,
        max_seconds: float,
        first_timeout: float,
    ) -> None:
        self._triton = triton
        self._load = load
        self._library = library
        self._max_seconds = max_seconds
        self._first_timeout = first_timeout
        self._cloning: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def cards(self) -> Sequence[VoiceCard]:
        """Raises:
        ModelLoadException: the checkpoint is not there.
        """
        return await asyncio.to_thread(self._library.cards)

    async def card(self, voice: str) -> VoiceCard:
        return await asyncio.to_thread(self._library.find, voice)

    async def speaker(self, options: SpeechOptions) -> BoundVoice:
        language = _language(options.language)
        card, latents = await asyncio.to_thread(self._cast, options.voice)
        tensors: dict[str, npt.NDArray[Any]] = {
            "language": text_tensor(language),
            LATENT: latents.gpt_cond_latent,
            EMBEDDING: latents.speaker_embedding,
            "speed": np.array([options.speed], np.float32),
            **_drawing(options),
        }
        return BoundVoice(self._triton, XTTS, card.id, tensors, self._first_timeout)

    async def clone(self, recordings: Sequence[bytes], name: str | None) -> tuple[VoiceCard, bool]:
        """A voice that is there already, made of the same files, keeps its name and is not made again."""
        voice = references.fingerprint(recordings)
        # Requests with the same files wait for the first of them; nobody else does.
        async with self._cloning.setdefault(voice, asyncio.Lock()):
            known = await asyncio.to_thread(self._library.cloned, voice)
            if known is not None:
                return known, False
            return await self._clone(voice, recordings, name or f"voice-{voice[:8]}"), True

    async def delete(self, voice: str) -> None:
        await asyncio.to_thread(self._library.remove, voice)

    async def _clone(self, voice: str, files: Sequence[bytes], name: str) -> VoiceCard:
        await asyncio.to_thread(self._library.check_name, name, voice)
        recordings = await asyncio.to_thread(references.decode, files, self._max_seconds)
        pieces = await asyncio.to_thread(references.pieces, recordings)
        await self._load(self.cloning_models)
        latents = await references.condition(self._triton, pieces)
        cloned = ClonedVoice(voice, name, references.seconds(recordings), references.PARAMETERS)
        return await asyncio.to_thread(self._library.add, cloned, latents)

    def _cast(self, voice: str) -> tuple[VoiceCard, Latents]:
        card = self._library.find(voice)
        return card, self._library.load(card)


def _language(code: str) -> str:
    """The model's code for a language in any case of letters, with or without a region.

    Raises:
        InvalidInputException: it is none of the 17.
    """
    language = primary(code)
    language = ALIASES.get(language, language)
    if language not in LANGUAGES:
        raise InvalidInputException(unknown("language", code, LANGUAGES))
    return language


def _drawing(options: SpeechOptions) -> Tensors:
    """The inputs that say how speech is drawn by chance; the model has a default for those left out."""
    values = {**asdict(options.sampling or Sampling()), "seed": options.seed}
    return {name: np.array([value], TENSORS[name]) for name, value in values.items() if value is not None}
