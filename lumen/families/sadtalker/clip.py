"""Requests of the ``sadtalker`` model, and their checks."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.contracts import (
    FACE_FPS,
    FACE_SAMPLE_RATE,
    FRAME_SIZES,
    SADTALKER_CONTEXT_FRAMES,
    SADTALKER_LOOKAHEAD_FRAMES,
    SAMPLES_PER_FRAME,
)
from lumen.errors import InvalidInputException
from lumen.families.sadtalker.camera import MAX_DEGREES
from lumen.families.sadtalker.crop import Preprocess
from lumen.families.sadtalker.dims import COEFFICIENTS, EXPRESSION, MOTION, POSE
from lumen.families.sadtalker.family import SadTalkerOptions
from lumen.options import check

Floats = NDArray[np.float32]

UNKNOWN: Final = -1
"""``clip_frames`` while the speech is still being made."""

MAX_CLIP_FRAMES: Final = 24 * 3600 * FACE_FPS
"""Length of the longest clip in frames: a day."""

ENDLESS: Final = 2**40
"""Frames that a clip counts as while its length is not known."""

MAX_SECONDS: Final = 600
"""The longest audio and the most frames of one request, in seconds."""

MAX_SAMPLES: Final = (
    MAX_SECONDS * FACE_SAMPLE_RATE
    + (SADTALKER_CONTEXT_FRAMES + SADTALKER_LOOKAHEAD_FRAMES + 1) * SAMPLES_PER_FRAME
)
"""The longest audio of one request: what its frames hear."""

MAX_AMPLITUDE: Final = 4.0
"""Samples beyond this are no float PCM in [-1, 1], with room for overshoots."""

MAX_DRIVER_FRAMES: Final = MAX_SECONDS * FACE_FPS


def _nothing(width: int) -> Floats:
    return np.zeros((0, width), np.float32)


@dataclass(frozen=True)
class Controls:
    """Controls of a portrait's behaviour; names and ranges are the reference's where it has them.

    Attributes:
        still: the head keeps the portrait's pose.
        pose_style: one of the 46 speakers of the training data.
        expression_scale, head_motion_scale: 1 is what the networks say.
        blink: how often, relative to the reference; 0 is never.
        camera: degrees [n_frames, 3], yaw, pitch, roll, that replace the predicted ones; NaN keeps those.
            Empty: none.
        driver_expression: [m, 64] of a video whose brows and blinks are taken, again and again. Empty: none.
        driver_pose: [m, 6] of a video whose head motion is added, again and again. Empty: none.
    """

    still: bool = False
    pose_style: int = 0
    expression_scale: float = 1.0
    head_motion_scale: float = 1.0
    blink: float = 1.0
    camera: Floats = field(default_factory=lambda: _nothing(3))
    driver_expression: Floats = field(default_factory=lambda: _nothing(EXPRESSION))
    driver_pose: Floats = field(default_factory=lambda: _nothing(POSE))

    def check(self, n_frames: int) -> None:
        """Refuse what is out of range.

        Raises:
            InvalidInputException: the message names the control, what came and what was expected.
        """
        check(SadTalkerOptions, vars(self))
        if len(self.camera):
            if self.camera.shape != (n_frames, 3):
                raise InvalidInputException(
                    f"camera has shape {list(self.camera.shape)}; expected [{n_frames}, 3]"
                )
            if (np.abs(self.camera) > MAX_DEGREES).any():
                raise InvalidInputException(
                    f"camera has angles beyond +-{MAX_DEGREES:g} degrees; NaN keeps the predicted ones"
                )
        _check_rows("driver_expression", self.driver_expression, EXPRESSION)
        _check_rows("driver_pose", self.driver_pose, POSE)


@dataclass(frozen=True)
class Clip:
    """Frames [first_frame, first_frame + n_frames) of a portrait speaking.

    Attributes:
        crop: uint8 [S, S, 3] RGB.
        coefficients: float32 [73], 3DMM coefficients of the face in it.
        preprocess: how both were made.
        pcm: float32 [n], 16 kHz, in [-1, 1]. pcm_start: index in the clip of its first sample.
        clip_frames: of the whole clip, or ``UNKNOWN``.
        seed: any integer.
        controls: how it behaves.
    """

    crop: NDArray[np.uint8]
    coefficients: Floats
    preprocess: Preprocess
    pcm: Floats
    pcm_start: int
    first_frame: int
    n_frames: int
    clip_frames: int
    seed: int
    controls: Controls = field(default_factory=Controls)

    @property
    def length(self) -> int:
        """Frames of the whole clip; ``ENDLESS`` while not known."""
        return ENDLESS if self.clip_frames == UNKNOWN else self.clip_frames

    @property
    def columns(self) -> int:
        """Number of coefficients that the mapping reads."""
        return COEFFICIENTS if self.preprocess.pasted_back else MOTION

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            InvalidInputException: the message names the tensor, what came and what was expected.
        """
        if self.crop.dtype != np.uint8 or self.crop.shape not in [(s, s, 3) for s in FRAME_SIZES]:
            sides = ", ".join(f"{size} x {size}" for size in FRAME_SIZES)
            raise InvalidInputException(
                f"crop is {self.crop.dtype} {list(self.crop.shape)}; expected uint8 RGB of {sides}: "
                "use sadtalker_portrait's"
            )
        _check_values("coefficients", self.coefficients, (COEFFICIENTS,))
        self._check_frames()
        self._check_pcm()
        self.controls.check(self.n_frames)

    def _check_frames(self) -> None:
        if self.clip_frames != UNKNOWN:
            check_range("clip_frames", self.clip_frames, 1, MAX_CLIP_FRAMES)
        check_range("first_frame", self.first_frame, 0, min(self.length, MAX_CLIP_FRAMES) - 1)
        most = min(MAX_SECONDS * FACE_FPS, self.length - self.first_frame)
        check_range("n_frames", self.n_frames, 1, most)

    def _check_pcm(self) -> None:
        if self.pcm.ndim != 1 or len(self.pcm) > MAX_SAMPLES:
            raise InvalidInputException(
                f"pcm has shape {list(self.pcm.shape)}; expected one dimension of at most {MAX_SAMPLES} "
                "samples: send the clip in windows"
            )
        if not (np.abs(self.pcm) <= MAX_AMPLITUDE).all():
            raise InvalidInputException(
                "pcm has samples that are not numbers or far beyond +-1; expected float PCM in [-1, 1]"
            )
        start, end = self.audio_span()
        if self.pcm_start > start or self.pcm_start + len(self.pcm) < end:
            raise InvalidInputException(
                f"pcm is samples [{self.pcm_start}, {self.pcm_start + len(self.pcm)}) of the clip; frames "
                f"{self.first_frame} to {self.first_frame + self.n_frames - 1} hear [{start}, {end}): send "
                f"{SADTALKER_CONTEXT_FRAMES} frames of audio before and {SADTALKER_LOOKAHEAD_FRAMES} after "
                "them, or all that the clip has"
            )

    def audio_span(self) -> tuple[int, int]:
        """The samples [start, end) that the frames hear."""
        first = max(self.first_frame - SADTALKER_CONTEXT_FRAMES, 0)
        end = min(self.first_frame + self.n_frames + SADTALKER_LOOKAHEAD_FRAMES, self.length)
        return first * SAMPLES_PER_FRAME, end * SAMPLES_PER_FRAME


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Check a control's range.

    Raises:
        InvalidInputException: the value is not from low to high.
    """
    if not low <= value <= high:
        raise InvalidInputException(f"{name} is {value:g}; expected {low:g} to {high:g}")


def _check_rows(name: str, rows: Floats, width: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != width or len(rows) > MAX_DRIVER_FRAMES:
        raise InvalidInputException(
            f"{name} has shape {list(rows.shape)}; expected [m, {width}] with m up to {MAX_DRIVER_FRAMES}"
        )
    _check_values(name, rows, rows.shape)


def _check_values(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    if values.shape != shape or not np.isfinite(values).all():
        raise InvalidInputException(
            f"{name} is {values.dtype} {list(values.shape)}; expected finite numbers {list(shape)}"
        )
