"""hibari and eSpeak as one part of the chain; `orchestrator.voices.auto` chooses between them."""

from typing import Final

from lumen.families.description import VoiceFamily
from lumen.families.espeak.family import FAMILY as ESPEAK
from lumen.families.hibari.family import FAMILY as HIBARI

FAMILY: Final = VoiceFamily(
    "auto",
    models=(*HIBARI.models, *ESPEAK.models),
    sample_rate=HIBARI.sample_rate,
    languages={**ESPEAK.languages, **HIBARI.languages},
    other_languages=ESPEAK.other_languages,
    voices=tuple(dict.fromkeys((*HIBARI.voices, *ESPEAK.voices))),
    seeded=True,
)
"""Sample rate and seed are those of English; the part that is chosen has its own."""
