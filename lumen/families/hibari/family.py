"""hibari as a part of the chain."""

from typing import Final

from lumen.contracts import HIBARI, HIBARI_SAMPLE_RATE
from lumen.families.description import DEFAULT_VOICE, VoiceFamily
from lumen.families.hibari import catalog
from lumen.families.hibari.reading import READING

FAMILY: Final = VoiceFamily(
    "hibari",
    models=(HIBARI,),
    sample_rate=HIBARI_SAMPLE_RATE,
    languages=catalog.LANGUAGES,
    voices=(DEFAULT_VOICE, *catalog.VOICES),
    reading=READING,
    seeded=True,
)
