"""SadTalker as a part of the chain."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from annotated_types import Interval, Len
from typing_extensions import Doc

from lumen.contracts import (
    FACE_ENHANCER,
    FACE_LANDMARKS,
    GFPGAN,
    SADTALKER,
    SADTALKER_AUDIO2EXP,
    SADTALKER_AUDIO2POSE,
    SADTALKER_CONTEXT_FRAMES,
    SADTALKER_DRIVER,
    SADTALKER_FACE3D,
    SADTALKER_LOOKAHEAD_FRAMES,
    SADTALKER_MOTION,
    SADTALKER_MOTION_FULL,
    SADTALKER_PORTRAIT,
    SADTALKER_RENDERER,
    SADTALKER_SOURCE,
)
from lumen.families.description import FaceFamily
from lumen.families.sadtalker.blink import MAX_RATE
from lumen.families.sadtalker.camera import MAX_DEGREES, MAX_STOPS
from lumen.families.sadtalker.coefficient_windows import EXPRESSION_SCALES
from lumen.families.sadtalker.crop import Preprocess
from lumen.families.sadtalker.dims import STYLES
from lumen.options import Flag, Local

HEAD_MOTION_SCALES: Final = (0.0, 3.0)
"""Least and greatest scale of the head's motion."""

_LEAST_EXPRESSION, _MOST_EXPRESSION = EXPRESSION_SCALES
_LEAST_MOTION, _MOST_MOTION = HEAD_MOTION_SCALES

_Angle = Annotated[float, Interval(ge=-MAX_DEGREES, le=MAX_DEGREES)]
_Stops = tuple[_Angle, ...] | None
_STOPS: Final = Len(1, MAX_STOPS)
_TURN: Final = Doc("degrees in place of the predicted ones; several are the stops of a turn over the clip")


@dataclass(frozen=True)
class SadTalkerOptions:
    """Crop of the portrait, and its motion."""

    preprocess: Annotated[
        Preprocess | None,
        Doc(
            "what is animated: the face, with a border, the whole picture squeezed into the square; "
            "or the face with or without border, put back into the picture"
        ),
    ] = None
    still: Annotated[bool | None, Doc("the head keeps the portrait's pose")] = None
    pose_style: Annotated[int | None, Interval(ge=0, le=STYLES - 1), Doc("style of the head's motion")] = None
    expression_scale: Annotated[
        float | None,
        Interval(ge=_LEAST_EXPRESSION, le=_MOST_EXPRESSION),
        Doc("how strong the expression is; 1 changes nothing"),
    ] = None
    head_motion_scale: Annotated[
        float | None,
        Interval(ge=_LEAST_MOTION, le=_MOST_MOTION),
        Doc("how far the head moves; 1 changes nothing"),
    ] = None
    blink: Annotated[
        float | None, Interval(ge=0, le=MAX_RATE), Doc("how often the eyes blink; 1 is the usual, 0 never")
    ] = None
    input_yaw: Annotated[_Stops, _STOPS, Local(), Flag("--yaw"), _TURN] = None
    input_pitch: Annotated[_Stops, _STOPS, Local(), Flag("--pitch"), _TURN] = None
    input_roll: Annotated[_Stops, _STOPS, Local(), Flag("--roll"), _TURN] = None
    ref_eyeblink: Annotated[bytes | None, Doc("a video whose face lends its eyes and brows")] = None
    ref_pose: Annotated[bytes | None, Doc("a video whose face lends the motion of its head")] = None
    enhancer: Annotated[Literal["gfpgan"] | None, Local(), Doc("makes the frames finer, twice the sides")] = (
        None
    )
    blend: Annotated[
        Literal["feather", "poisson"] | None,
        Local(),
        Doc("seam of frames that are put back into the picture; feather without one"),
    ] = None


FAMILY: Final = FaceFamily(
    "sadtalker",
    models=(
        *(FACE_LANDMARKS, SADTALKER_FACE3D, SADTALKER_PORTRAIT),
        *(SADTALKER_SOURCE, SADTALKER_AUDIO2EXP, SADTALKER_AUDIO2POSE),
        *(SADTALKER_MOTION, SADTALKER_MOTION_FULL, SADTALKER_RENDERER, SADTALKER),
    ),
    optional_models={
        "ref_eyeblink": (SADTALKER_DRIVER,),
        "ref_pose": (SADTALKER_DRIVER,),
        "enhancer": (GFPGAN, FACE_ENHANCER),
    },
    options=SadTalkerOptions,
    checkpoint=SADTALKER_RENDERER,
    portrait_model=SADTALKER_PORTRAIT,
    context_frames=SADTALKER_CONTEXT_FRAMES,
    lookahead_frames=SADTALKER_LOOKAHEAD_FRAMES,
)
