"""Moonshine (tiny, English) as a part of the chain, with Silero's voice activity."""

from typing import Final

from lumen.contracts import MOONSHINE, VOICE_ACTIVITY
from lumen.families.description import ListenerFamily

FAMILY: Final = ListenerFamily(
    "moonshine",
    models=(VOICE_ACTIVITY, MOONSHINE),
    packages=("silero_vad", "moonshine_voice"),
    languages={"en": "English"},
)
