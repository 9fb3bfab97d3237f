"""The rule that gives English to hibari and every other language to eSpeak."""

from collections.abc import Sequence

from lumen.errors import NotFoundException
from lumen.families.description import DEFAULT_VOICE, VoiceFamily
from lumen.families.espeak.family import FAMILY as OTHERS
from lumen.families.hibari.family import FAMILY as ENGLISH
from lumen.settings import Settings
from lumen.text.scripts import primary
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.triton.client import Load, TritonClient
from orchestrator.voices.hibari import HibariVoice
from orchestrator.voices.triton_voice import TritonVoice
from orchestrator.voices.voice import BoundVoice, SpeechOptions, Voice, VoiceCard


class AutoVoice(TritonVoice):
    """Two parts as one: a named voice speaks in its own part, and without a name the language decides."""

    def __init__(
        self, family: VoiceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
    ) -> None:
        super().__init__(family, triton, load, settings, gate)
        self._english = HibariVoice(ENGLISH, triton, load, settings, gate)
        self._others = TritonVoice(OTHERS, triton, load, settings, gate)

    def choose(self, language: str, voice: str) -> Voice:
        name = voice.strip().lower()
        english = primary(language) == "en" if name == DEFAULT_VOICE else name in ENGLISH.voices
        return self._english if english else self._others

    async def cards(self) -> Sequence[VoiceCard]:
        english, others = await self._english.cards(), await self._others.cards()
        taken = {card.id for card in english}
        return [*english, *(card for card in others if card.id not in taken)]

    async def card(self, voice: str) -> VoiceCard:
        try:
            return await self._english.card(voice)
        except NotFoundException:
            return await self._others.card(voice)

    async def bind(self, options: SpeechOptions) -> BoundVoice:
        return await self.choose(options.language, options.voice).bind(options)
