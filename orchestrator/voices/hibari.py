"""hibari behind Triton."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from lumen.contracts import HIBARI, HIBARI_SAMPLE_RATE
from lumen.errors import InvalidInputException, NotFoundException
from lumen.families.hibari import catalog
from orchestrator.triton.client import Tensors, TritonClient, text_tensor
from orchestrator.voices.voice import (
    DEFAULT,
    BoundVoice,
    Sampling,
    SpeechOptions,
    VoiceCard,
    primary,
    unknown,
)


class HibariVoice:
    """English in the package's voice, and in those that were downloaded into ``folder``."""

    name: Final = "hibari"
    models: Final = (HIBARI,)
    cloning_models: Final = ()
    sample_rate: Final = HIBARI_SAMPLE_RATE
    languages: Final = catalog.LANGUAGES
    draws: Final = True

    def __init__(self, triton: TritonClient, folder: Path) -> None:
        self._triton = triton
        self._folder = folder

    async def cards(self) -> Sequence[VoiceCard]:
        names = await asyncio.to_thread(catalog.installed, self._folder)
        return [VoiceCard(name, name, "builtin") for name in (DEFAULT, *names)]

    async def card(self, voice: str) -> VoiceCard:
        cards = await self.cards()
        for card in cards:
            if card.name == voice.strip().lower():
                return card
        raise NotFoundException(unknown("voice", voice, [card.name for card in cards]))

    async def bind(self, options: SpeechOptions) -> BoundVoice:
        """A voice that is not downloaded is left to the model, which says how to get it."""
        if primary(options.language) != "en":
            raise InvalidInputException(unknown("language", options.language, self.languages))
        if options.voice.strip().lower() not in (DEFAULT, *catalog.VOICES):
            raise InvalidInputException(unknown("voice", options.voice, (DEFAULT, *catalog.VOICES)))
        if options.sampling not in (None, Sampling()):
            raise InvalidInputException("sampling: the voice part is hibari, which has none; leave it out")
        tensors: Tensors = {
            "language": text_tensor(options.language),
            "voice": text_tensor(options.voice),
            "speed": np.array([options.speed], np.float32),
            **({} if options.seed is None else {"seed": np.array([options.seed], np.int64)}),
        }
        return BoundVoice(self._triton, HIBARI, options.voice, tensors, self.sample_rate)

    async def clone(self, recordings: Sequence[bytes], name: str | None) -> tuple[VoiceCard, bool]:
        self._refuse()

    async def delete(self, voice: str) -> None:
        await self.card(voice)
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InvalidInputException(
            "The voice part is hibari, whose voices are fixed; with VOICE=xtts voices are made and removed."
        )
