"""The voice hibari behind Triton: English, in the package's voice and in downloaded ones."""

import asyncio
from collections.abc import Sequence

from lumen.errors import NotFoundException
from lumen.families.description import DEFAULT_VOICE, VoiceFamily
from lumen.families.hibari import catalog
from lumen.settings import Settings
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.messages import unknown
from orchestrator.triton.client import Load, TritonClient
from orchestrator.voices.triton_voice import TritonVoice
from orchestrator.voices.voice import VoiceCard

VERSION = "1"
"""Folder of the model repository's `hibari` that its downloaded voices are in."""


class HibariVoice(TritonVoice):
    """hibari, which lists the voices that are there; one that is not downloaded says how to get it."""

    def __init__(
        self, family: VoiceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
    ) -> None:
        super().__init__(family, triton, load, settings, gate)
        self._folder = settings.model_repository / family.model / VERSION

    async def cards(self) -> Sequence[VoiceCard]:
        names = await asyncio.to_thread(catalog.installed, self._folder)
        return [_card(name) for name in (DEFAULT_VOICE, *names)]

    async def card(self, voice: str) -> VoiceCard:
        cards = await self.cards()
        for card in cards:
            if card.name == voice.strip().lower():
                return card
        raise NotFoundException(unknown("voice", voice, [card.name for card in cards]))


def _card(name: str) -> VoiceCard:
    file = catalog.VOICES[catalog.DEFAULT_VOICE if name == DEFAULT_VOICE else name]
    language = "en-gb" if file.british else "en-us"
    return VoiceCard(name, name, "builtin", language=language, gender=file.gender)
