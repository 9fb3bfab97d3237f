"""The rule that gives English to one voice part and every other language to another."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from lumen.errors import NotFoundException
from orchestrator.voices.voice import DEFAULT, BoundVoice, SpeechOptions, Voice, VoiceCard, primary


class AutoVoice:
    """Two parts as one: a named voice speaks in its own part, and without a name the language decides.

    Args:
        english: speaks English.
        names: of its voices.
        others: speaks every other language, and English too where one of its voices is named.
    """

    name: Final = "auto"
    cloning_models: Final = ()
    draws: Final = True

    def __init__(self, english: Voice, names: Collection[str], others: Voice) -> None:
        self._english = english
        self._names = names
        self._others = others

    @property
    def models(self) -> tuple[str, ...]:
        return (*self._english.models, *self._others.models)

    @property
    def sample_rate(self) -> int:
        """That of English; each part has its own."""
        return self._english.sample_rate

    @property
    def languages(self) -> Mapping[str, str]:
        return {**self._english.languages, **self._others.languages}

    def choose(self, language: str, voice: str) -> Voice:
        """The part that speaks ``language`` with ``voice``."""
        name = voice.strip().lower()
        is_english = primary(language) == "en" if name == DEFAULT else name in self._names
        return self._english if is_english else self._others

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

    async def clone(self, recordings: Sequence[bytes], name: str | None) -> tuple[VoiceCard, bool]:
        return await self._others.clone(recordings, name)

    async def delete(self, voice: str) -> None:
        await self.choose("en", voice).delete(voice)
