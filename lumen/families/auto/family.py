"""The rule over two voices as a part of the chain."""

from typing import Final

from lumen.families.description import VoiceFamily
from lumen.families.espeak.family import FAMILY as OTHERS
from lumen.families.hibari.family import FAMILY as ENGLISH
from lumen.text.scripts import primary
from lumen.text.spoken import Reading


def can_speak(character: str, language: str) -> bool:
    """Whether the voice that the language decides for has a sound for a character."""
    family = ENGLISH if primary(language) == "en" else OTHERS
    return family.reading.can_speak(character, language)


FAMILY: Final = VoiceFamily(
    "auto",
    models=(*ENGLISH.models, *OTHERS.models),
    sample_rate=ENGLISH.sample_rate,
    languages={**ENGLISH.languages, **OTHERS.languages},
    other_languages=OTHERS.other_languages,
    reading=Reading(can_speak=can_speak),
    voices=tuple(dict.fromkeys((*ENGLISH.voices, *OTHERS.voices))),
    seeded=True,
)
