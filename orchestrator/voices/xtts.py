"""The voice XTTS v2 behind Triton: 17 languages, in the checkpoint's voices and in cloned ones."""

import asyncio
from collections.abc import Sequence
from typing import Final
from weakref import WeakValueDictionary

from lumen.errors import InvalidInputException
from lumen.families.description import VoiceFamily
from lumen.families.xtts.family import CLONE, LANGUAGES
from lumen.settings import Settings
from lumen.text.scripts import primary
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.messages import unknown_language
from orchestrator.store.bucket_store import files_of
from orchestrator.triton.client import Load, TritonClient, text_tensor
from orchestrator.voices import references
from orchestrator.voices.library import EMBEDDING, LATENT, VERSION, ClonedVoice, VoiceLibrary
from orchestrator.voices.triton_voice import TritonVoice, speech_tensors
from orchestrator.voices.voice import BoundVoice, SpeechOptions, VoiceCard

ALIASES: Final = {"zh": "zh-cn", "cmn": "zh-cn"}
"""Codes of other standards, with the model's."""


class XttsVoice(TritonVoice):
    """XTTS v2 behind Triton, whose voices lie in a library: the checkpoint's and cloned ones."""

    def __init__(
        self, family: VoiceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
    ) -> None:
        super().__init__(family, triton, load, settings, gate)
        checkpoint = settings.model_repository / family.model / VERSION
        files = files_of(settings, settings.voices_path, "voices")
        self._library = VoiceLibrary(files, checkpoint, settings.max_voices)
        self._max_seconds = settings.max_reference_seconds
        self._cloning: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def cards(self) -> Sequence[VoiceCard]:
        """Raises:
        ModelLoadException: the checkpoint is not there.
        """
        return await self._library.cards()

    async def card(self, voice: str) -> VoiceCard:
        return await self._library.find(voice)

    async def bind(self, options: SpeechOptions) -> BoundVoice:
        language = _language(options.language)
        card, latents = await self._library.open(options.voice)
        tensors = {
            "language": text_tensor(language),
            LATENT: latents.gpt_cond_latent,
            EMBEDDING: latents.speaker_embedding,
            **speech_tensors(options),
        }
        return BoundVoice(self._triton, self.family, card.id, language, tensors, self._first_timeout)

    async def clone(
        self, recordings: Sequence[bytes], name: str | None, consent: str | None = None
    ) -> tuple[VoiceCard, bool]:
        """A voice that is there already, made of the same files, keeps its name and is not made again."""
        voice = await asyncio.to_thread(references.fingerprint, recordings)
        # Requests with the same files wait for the first of them; nobody else does.
        async with self._cloning.setdefault(voice, asyncio.Lock()):
            known = await self._library.cloned(voice)
            if known is not None:
                return known, False
            return await self._clone(voice, recordings, name or f"voice-{voice[:8]}", consent)

    async def delete(self, voice: str) -> None:
        await self._library.remove(voice)

    async def _clone(
        self, voice: str, files: Sequence[bytes], name: str, consent: str | None
    ) -> tuple[VoiceCard, bool]:
        await self._library.check_name(name, voice)
        recordings, warnings = await references.decode(self._gate, files, self._max_seconds)
        pieces = await asyncio.to_thread(references.pieces, recordings)
        await self._load(self.family.optional_models[CLONE])
        latents = await references.condition(self._triton, pieces)
        seconds = references.seconds(recordings)
        cloned = ClonedVoice(voice, name, seconds, references.PARAMETERS, tuple(warnings), consent)
        return await self._library.add(cloned, latents)


def _language(code: str) -> str:
    """The model's code for a language in any case of letters, with or without a region.

    Raises:
        InvalidInputException: it is none of the 17.
    """
    language = primary(code)
    language = ALIASES.get(language, language)
    if language not in LANGUAGES:
        raise InvalidInputException(unknown_language(code, LANGUAGES))
    return language
