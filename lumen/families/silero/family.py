"""Silero's voice activity as a part of the chain: it tells when somebody speaks, not what."""

from typing import Final

from lumen.contracts import VOICE_ACTIVITY
from lumen.families.description import ListenerFamily

FAMILY: Final = ListenerFamily("silero", models=(VOICE_ACTIVITY,), packages=("silero_vad",))
