"""The toy voice as a part of the chain."""

from dataclasses import dataclass
from typing import Annotated, Final

from annotated_types import Interval
from typing_extensions import Doc

from lumen.families.description import VoiceFamily


@dataclass(frozen=True)
class ToneOptions:
    """Options of the tone voice."""

    hertz: Annotated[float | None, Interval(ge=100, le=1000), Doc("pitch of the tone")] = None


FAMILY: Final = VoiceFamily(
    "tone", models=("tone",), sample_rate=16_000, languages={"en": "English"}, options=ToneOptions
)
