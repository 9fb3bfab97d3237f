"""A voice behind Triton that keeps the standard tensors of `lumen.families.description`."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from lumen import registry
from lumen.errors import InvalidInputException, NotFoundException
from lumen.families.description import VoiceFamily
from lumen.options import to_tensors
from lumen.settings import Settings
from lumen.text.scripts import primary
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.messages import unknown
from orchestrator.triton.client import Load, TritonClient, text_tensor
from orchestrator.voices.voice import BoundVoice, SpeechOptions, Voice, VoiceCard


class TritonVoice:
    """Any family with the standard tensors and fixed voices; voices with more derive from it.

    Args:
        family: its description.
        load: loads models that only `clone` needs.
        gate: where recordings are decoded.
    """

    def __init__(
        self, family: VoiceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
    ) -> None:
        self.family = family
        self._gate = gate
        self._triton = triton
        self._load = load
        self._first_timeout = settings.first_audio_timeout if family.checkpoint else None

    @property
    def name(self) -> str:
        return self.family.name

    @property
    def models(self) -> tuple[str, ...]:
        return self.family.models

    @property
    def sample_rate(self) -> int:
        return self.family.sample_rate

    def choose(self, language: str, voice: str) -> Voice:
        return self

    async def cards(self) -> Sequence[VoiceCard]:
        return [VoiceCard(name, name, "builtin") for name in self.family.voices]

    async def card(self, voice: str) -> VoiceCard:
        for card in await self.cards():
            if card.name.lower() == voice.strip().lower():
                return card
        raise NotFoundException(unknown("voice", voice, self.family.voices))

    async def bind(self, options: SpeechOptions) -> BoundVoice:
        """Regions that are not listed are left to the model, which may fall back to the language."""
        family = self.family
        if primary(options.language) not in {*map(primary, family.languages), *family.other_languages}:
            raise InvalidInputException(unknown("language", options.language, family.languages))
        if options.voice.strip().lower() not in {name.lower() for name in family.voices}:
            raise InvalidInputException(unknown("voice", options.voice, family.voices))
        tensors = {
            "language": text_tensor(options.language),
            "voice": text_tensor(options.voice),
            **speech_tensors(options),
        }
        return BoundVoice(self._triton, family, options.voice, options.language, tensors, self._first_timeout)

    async def clone(
        self, recordings: Sequence[bytes], name: str | None, consent: str | None = None
    ) -> tuple[VoiceCard, bool]:
        self._refuse()

    async def delete(self, voice: str) -> None:
        await self.card(voice)
        self._refuse()

    def _refuse(self) -> NoReturn:
        others = " or ".join(f"VOICE={name}" for name, family in registry.voices().items() if family.clones)
        raise InvalidInputException(
            f"The voice part is {self.name}, whose voices are fixed; "
            f"with {others} voices are made and removed."
        )


def speech_tensors(options: SpeechOptions) -> dict[str, npt.NDArray[Any]]:
    """Inputs of a voice's model that say how to speak, besides language and voice."""
    seed = {} if options.seed is None else {"seed": np.array([options.seed], np.int64)}
    return {"speed": np.array([options.speed], np.float32), **to_tensors(options.options), **seed}
