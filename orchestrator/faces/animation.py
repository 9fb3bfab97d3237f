"""What a request may ask of a face: how the portrait is framed, and how it acts."""

from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from lumen.errors import InvalidInputException
from lumen.families.sadtalker.crop import Preprocess

Blend = Literal["feather", "poisson"]

Enhancer = Literal["gfpgan"]

UPLOADED: Final = "uploaded"
"""What a response calls a file that came with the request."""


@dataclass(frozen=True)
class CropOptions:
    """What the work on a portrait depends on besides the picture.

    Attributes:
        size: side in pixels of the square that is animated.
        preprocess: what of the picture that is; None where the face has no choice.
    """

    size: int
    preprocess: Preprocess | None = None


@dataclass(frozen=True)
class AnimationOptions:
    """How a portrait moves; None leaves a control to the face. Names are those of the API.

    Attributes:
        seed: the same one makes the same motion.
        input_yaw: degrees; several are the stops of a turn over the whole clip. The others likewise.
        ref_eyeblink: a video file whose face lends its eyes and brows.
        ref_pose: a video file whose face lends the motion of its head.
    """

    seed: int
    still: bool | None = None
    pose_style: int | None = None
    expression_scale: float | None = None
    head_motion_scale: float | None = None
    blink: float | None = None
    input_yaw: tuple[float, ...] | None = None
    input_pitch: tuple[float, ...] | None = None
    input_roll: tuple[float, ...] | None = None
    ref_eyeblink: bytes | None = None
    ref_pose: bytes | None = None
    enhancer: Enhancer | None = None
    blend: Blend | None = None

    def asked(self) -> dict[str, Any]:
        """The controls that are not left to the face, as a response tells them."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "seed"}
        return {
            name: UPLOADED if isinstance(value, bytes) else value
            for name, value in values.items()
            if value is not None
        }

    @property
    def angles(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """Stops of yaw, pitch and roll."""
        return self.input_yaw or (), self.input_pitch or (), self.input_roll or ()

    @property
    def turns(self) -> bool:
        """Whether the camera moves, which takes the length of the clip."""
        return any(len(stops) > 1 for stops in self.angles)


def refuse_controls(face: str, animation: AnimationOptions, crop_options: CropOptions) -> None:
    """For a face that knows no control.

    Raises:
        InvalidInputException: one came; the message names it and the face.
    """
    asked = [*animation.asked(), *(["preprocess"] if crop_options.preprocess is not None else [])]
    if asked:
        raise InvalidInputException(
            f"{asked[0]}: the face is {face}, which has no such control; leave it out or serve FACE=sadtalker"
        )
