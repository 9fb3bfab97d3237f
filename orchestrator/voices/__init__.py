"""Voices: text → speech, through Triton. Begin with `voice`, the contract, and `triton_voice`.

`make_voice` gives the one that the settings name.
"""

from collections.abc import Callable, Mapping
from typing import Final

from lumen.families.description import VoiceFamily
from lumen.settings import Settings
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.triton.client import Load, TritonClient
from orchestrator.voices.auto import AutoVoice
from orchestrator.voices.hibari import HibariVoice
from orchestrator.voices.triton_voice import TritonVoice
from orchestrator.voices.voice import Voice
from orchestrator.voices.xtts import XttsVoice

CLASSES: Final[Mapping[str, Callable[[VoiceFamily, TritonClient, Load, Settings, DecodeGate], Voice]]] = {
    "auto": AutoVoice,
    "hibari": HibariVoice,
    "xtts": XttsVoice,
}
"""Voices with more than the standard tensors, by family."""


def make_voice(
    family: VoiceFamily, triton: TritonClient, load: Load, settings: Settings, gate: DecodeGate
) -> Voice:
    """The voice part of a family.

    Args:
        load: loads models that only `Voice.clone` needs.
        gate: where uploads are decoded.
    """
    return CLASSES.get(family.name, TritonVoice)(family, triton, load, settings, gate)
