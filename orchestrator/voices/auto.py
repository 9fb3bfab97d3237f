"""The rule that gives English to one voice part and every other language to another."""

from lumen import registry
from lumen.families.description import DEFAULT_VOICE, VoiceFamily
from lumen.settings import Settings
from orchestrator.triton.client import Load, TritonClient
from orchestrator.voices.triton_voice import TritonVoice
from orchestrator.voices.voice import BoundVoice, SpeechOptions, Voice, primary


class AutoVoice(TritonVoice):
    """Two parts as one: a named voice speaks in its own part, and without a name the language decides."""

    def __init__(self, family: VoiceFamily, triton: TritonClient, load: Load, settings: Settings) -> None:
        super().__init__(family, triton, load, settings)
        self._english = TritonVoice(registry.voice("hibari"), triton, load, settings)
        self._others = TritonVoice(registry.voice("espeak"), triton, load, settings)

    def choose(self, language: str, voice: str) -> Voice:
        """The part that speaks ``language`` with ``voice``."""
        name = voice.strip().lower()
        named = name in self._english.family.voices
        is_english = primary(language) == "en" if name == DEFAULT_VOICE else named
        return self._english if is_english else self._others

    async def bind(self, options: SpeechOptions) -> BoundVoice:
        return await self.choose(options.language, options.voice).bind(options)
