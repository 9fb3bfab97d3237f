"""Samples of voices, spoken once and kept in memory."""

import secrets
from contextlib import aclosing
from typing import Final

from lumen.async_cache import AsyncCache
from lumen.contracts import MAX_SEED
from lumen.settings import Settings
from orchestrator.media.encodings import ENCODINGS
from orchestrator.pipeline.parts import Parts
from orchestrator.pipeline.pipeline import Pipeline
from orchestrator.request_context import output_name
from orchestrator.voices.voice import SpeechOptions, VoiceCard

SENTENCE: Final = "Hello! This is how I sound."
LANGUAGE: Final = "en"
"""Text of a sample; every voice part speaks English."""

PREVIEW_TYPE: Final = "audio/mpeg"

CACHED: Final = 128
"""Samples that are kept: 20 kB each."""


class VoicePreviews:
    """Makes and keeps samples of voices."""

    def __init__(self, settings: Settings, parts: Parts, pipeline: Pipeline) -> None:
        self._parts = parts
        self._pipeline = pipeline
        self._encoding = next(each for each in ENCODINGS if each.media_type == PREVIEW_TYPE)
        self._rate = self._encoding.rate(settings.audio_sample_rate)
        self._samples: AsyncCache[bytes] = AsyncCache(CACHED)

    async def sample(self, card: VoiceCard) -> bytes:
        """A voice's sample, MP3; requests for the same one wait for the first of them.

        Raises:
            LumenException: the voice cannot speak.
        """
        return await self._samples.get(card.id, lambda: self._speak(card))

    async def _speak(self, card: VoiceCard) -> bytes:
        voice = self._parts.get_voice().choose(LANGUAGE, card.id)
        seed = secrets.randbelow(MAX_SEED + 1) if voice.family.seeded else None
        options = SpeechOptions(LANGUAGE, card.id, 1.0, seed, voice.family.options())
        speech = self._pipeline.speech(SENTENCE, options, self._encoding, self._rate, output_name())
        async with aclosing(speech) as chunks:
            return b"".join([chunk async for chunk in chunks])
