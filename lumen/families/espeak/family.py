"""eSpeak NG as a part of the chain."""

from typing import Final

from lumen.contracts import ESPEAK, ESPEAK_SAMPLE_RATE
from lumen.families.description import VoiceFamily
from lumen.families.espeak import catalog
from lumen.families.espeak.reading import READING

FAMILY: Final = VoiceFamily(
    "espeak",
    models=(ESPEAK,),
    sample_rate=ESPEAK_SAMPLE_RATE,
    languages=catalog.LANGUAGES,
    other_languages=catalog.OTHER_CODES,
    voices=catalog.VOICES,
    reading=READING,
)
