"""XTTS v2 as a part of the chain."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from annotated_types import Interval
from typing_extensions import Doc

from lumen.contracts import XTTS, XTTS_CONDITIONING, XTTS_GPT, XTTS_SAMPLE_RATE, XTTS_SPEAKER, XTTS_VOCODER
from lumen.families.description import VoiceFamily
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.sampling import MAX_PENALTY, MAX_TEMPERATURE, MIN_PENALTY
from lumen.families.xtts.text.reading import READING
from lumen.options import TensorType

LANGUAGES: Final = {
    "ar": "Arabic",
    "cs": "Czech",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "hu": "Hungarian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "zh-cn": "Chinese (Mandarin)",
}
"""Codes with the languages' English names."""

MAX_RECORDINGS: Final = 10
"""Files that a cloned voice may be made of."""

MIN_REFERENCE_SECONDS: Final = 3.0
"""Length of the recordings of a cloned voice, all together, at least."""

CLONE: Final = "clone"
"""Name of cloning among what needs further models."""


@dataclass(frozen=True)
class XttsOptions:
    """Sampling of the audio codes; the checkpoint has a default for each option."""

    temperature: Annotated[float | None, Interval(ge=0, le=MAX_TEMPERATURE), Doc("0 takes the likeliest")] = (
        None
    )
    top_k: Annotated[
        int | None,
        Interval(ge=0, le=XttsDims().audio_vocabulary),
        TensorType(np.int32),
        Doc("so many of the likeliest remain; 0 keeps all"),
    ] = None
    top_p: Annotated[float | None, Interval(gt=0, le=1), Doc("the likeliest of this probability remain")] = (
        None
    )
    repetition_penalty: Annotated[
        float | None, Interval(ge=MIN_PENALTY, le=MAX_PENALTY), Doc("1 changes nothing")
    ] = None


FAMILY: Final = VoiceFamily(
    "xtts",
    models=(XTTS_VOCODER, XTTS_GPT, XTTS),
    optional_models={CLONE: (XTTS_CONDITIONING, XTTS_SPEAKER)},
    options=XttsOptions,
    seeded=True,
    checkpoint=XTTS,
    sample_rate=XTTS_SAMPLE_RATE,
    languages=LANGUAGES,
    voices=(),
    clones=True,
    reading=READING,
)
