"""Fields that request bodies have in common: checked names, seeds, options of the faces."""

import unicodedata
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lumen import registry
from lumen.contracts import MAX_SEED
from lumen.families.description import PREPROCESS
from orchestrator.schemas.options import with_options

FACE_OPTIONS: Final = registry.options_by_name(registry.faces())
"""Options of all faces: bodies take them, and the served face refuses those of others by name."""

NAME_CHARACTERS: Final = 64
"""Characters of a language, voice, portrait or avatar name."""


def readable(text: str) -> str:
    """Refuse blank text and control characters; white space is fine."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r":
            raise ValueError(f"has the control character U+{ord(character):04X}; send plain text")
    if not any(unicodedata.category(c)[0] not in "CZ" for c in text):
        raise ValueError("is blank; send some text")
    return text.strip()


Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS), AfterValidator(readable)]

Size = Annotated[Literal[256, 512], Field(description="side of the animated square in pixels")]
Seed = Annotated[
    int, Field(ge=0, le=MAX_SEED, description="the same seed makes the same motion, and the same speech")
]


MAX_RETAIN_SECONDS: Final = 10 * 366 * 86_400
CONSENT_CHARACTERS: Final = 2_000
LABEL_CHARACTERS: Final = 40

RetainSeconds = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_RETAIN_SECONDS,
        description="how long it is kept, at most; up to the server's own limit, which holds without it",
    ),
]

Consent = Annotated[
    str,
    Field(
        min_length=1,
        max_length=CONSENT_CHARACTERS,
        description="statement that the person in it agreed, and to what; kept with what is made",
    ),
    AfterValidator(readable),
]

LabelField = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LABEL_CHARACTERS,
        description="text that is drawn into the picture, in place of the server's",
    ),
    AfterValidator(readable),
]

AudioFormat = Annotated[
    Literal["m4a", "opus", "mp3", "flac", "wav"],
    Field(
        description="format of a file of the speech, whose address `audio_url` is then; without it, the "
        "`.wav` that `audio_url` names is made when it is fetched"
    ),
]


class Strict(BaseModel):
    """Unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@with_options({PREPROCESS: FACE_OPTIONS.get(PREPROCESS, {})})
class CropFields(Strict):
    """Portrait and crop options."""

    portrait: Name | None = Field(None, description="a bundled portrait; the server's default without one")
    size: Size | None = None


@with_options({name: owners for name, owners in FACE_OPTIONS.items() if name != PREPROCESS})
class ClipFields(CropFields):
    """Portrait or avatar, and its motion; the options are those of the faces."""

    avatar: Name | None = Field(None, description="id or name of an avatar, in place of a portrait")
    seed: Seed | None = None
    retain_seconds: RetainSeconds | None = None
    label: LabelField | None = None
    consent: Consent | None = Field(None, description="of the person in an uploaded portrait")
