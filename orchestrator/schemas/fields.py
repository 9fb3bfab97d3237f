"""What request bodies have in common: checked names, seeds, and what is asked of a face."""

import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from lumen.families.sadtalker.blink import MAX_RATE
from lumen.families.sadtalker.camera import MAX_DEGREES, MAX_STOPS
from lumen.families.sadtalker.clip import HEAD_MOTION_SCALES
from lumen.families.sadtalker.dims import STYLES
from lumen.families.sadtalker.windows import EXPRESSION_SCALES

NAME_CHARACTERS: Final = 64
"""Characters of a language, voice, portrait or avatar name."""

MAX_SEED: Final = 2**31 - 1


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
Mode = Annotated[
    Literal["crop", "extcrop", "resize", "full", "extfull"],
    Field(
        description="what is animated: the face, with a border, the whole picture squeezed into the square; "
        "or the face with or without border, put back into the picture"
    ),
]


Angle = Annotated[float, Field(ge=-MAX_DEGREES, le=MAX_DEGREES, allow_inf_nan=False)]
Stops = Annotated[list[Angle], Field(min_length=1, max_length=MAX_STOPS)]


def _one_or_more(stops: Any) -> Any:
    """A number alone is one stop."""
    return [stops] if isinstance(stops, int | float) else stops


Angles = Annotated[
    Stops,
    BeforeValidator(_one_or_more, json_schema_input_type=Angle | Stops),
    Field(
        description="degrees in place of the predicted ones; several are the stops of a turn over the clip"
    ),
]


class Strict(BaseModel):
    """Unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CropFields(Strict):
    """What the work on a portrait depends on besides the picture."""

    portrait: Name | None = Field(None, description="a bundled portrait; the server's default without one")
    size: Size | None = None
    preprocess: Mode | None = None


def _scale(least: float, most: float, description: str) -> Any:
    return Field(ge=least, le=most, allow_inf_nan=False, description=description)


class SceneFields(CropFields):
    """Who is filmed, and how the portrait acts; for the controls of the face sadtalker see the README."""

    avatar: Name | None = Field(None, description="id or name of an avatar, in place of a portrait")
    seed: Seed | None = None
    still: bool | None = Field(None, description="the head keeps the portrait's pose")
    pose_style: Annotated[int, Field(ge=0, lt=STYLES, description="style of the head's motion")] | None = None
    expression_scale: (
        Annotated[float, _scale(*EXPRESSION_SCALES, "how strong the expression is; 1 changes nothing")] | None
    ) = None
    head_motion_scale: (
        Annotated[float, _scale(*HEAD_MOTION_SCALES, "how far the head moves; 1 changes nothing")] | None
    ) = None
    blink: (
        Annotated[float, _scale(0, MAX_RATE, "how often the eyes blink; 1 is the usual, 0 never")] | None
    ) = None
    input_yaw: Angles | None = None
    input_pitch: Angles | None = None
    input_roll: Angles | None = None
    enhancer: Literal["gfpgan"] | None = Field(None, description="makes the frames finer, twice the sides")
    blend: Literal["feather", "poisson"] | None = Field(
        None, description="seam of frames that are put back into the picture; feather without one"
    )
