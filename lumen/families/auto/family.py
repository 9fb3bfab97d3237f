"""The rule over two voices as a part of the chain."""

from typing import Final

from lumen.families.description import VoiceFamily
from lumen.families.espeak.family import FAMILY as OTHERS
from lumen.families.hibari.family import FAMILY as ENGLISH

FAMILY: Final = VoiceFamily(
    "auto",
    models=(*ENGLISH.models, *OTHERS.models),
    sample_rate=ENGLISH.sample_rate,
    languages={**ENGLISH.languages, **OTHERS.languages},
    other_languages=OTHERS.other_languages,
    voices=tuple(dict.fromkeys((*ENGLISH.voices, *OTHERS.voices))),
    seeded=True,
)
