"""The toy face as a part of the chain."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from annotated_types import Interval
from typing_extensions import Doc

from lumen.families.description import FaceFamily


@dataclass(frozen=True)
class FlashOptions:
    """Options of the flash face."""

    colour: Annotated[Literal["red", "green", "blue"] | None, Doc("colour of the frames")] = None
    brightness: Annotated[int | None, Interval(ge=1, le=255), Doc("how bright they are")] = None


FAMILY: Final = FaceFamily(
    "flash",
    models=("flash_portrait", "flash"),
    portrait_model="flash_portrait",
    context_frames=2,
    lookahead_frames=1,
    options=FlashOptions,
)
