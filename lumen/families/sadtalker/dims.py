"""The sizes of a SadTalker checkpoint, and the columns of its coefficients."""

from dataclasses import asdict, dataclass
from typing import Final

EXPRESSION: Final = 64
"""Expression coefficients of the face model (Basel Face Model as in Deep3DFaceRecon)."""

POSE: Final = 6
"""Head pose: three Euler angles in radians, then the translation."""

PLACE: Final = 3
"""Place of the aligned face in the portrait: scale, x, y, in pixels of the portrait."""

COEFFICIENTS: Final = EXPRESSION + POSE + PLACE
"""3DMM coefficients of a portrait: expression, pose, place."""

MOTION: Final = EXPRESSION + POSE
"""Columns that the mapping of cropped portraits reads; that of whole pictures reads all ``COEFFICIENTS``."""

FACE_MODEL: Final = 257
"""Coefficients of 3DMM reconstruction: identity 80, expression 64, texture 80, angles 3, light 27,
translation 3."""

FACE_EXPRESSION: Final = slice(80, 144)
FACE_ANGLES: Final = slice(224, 227)
FACE_TRANSLATION: Final = slice(254, 257)
"""Places of expression, angles and translation among the ``FACE_MODEL`` coefficients."""

KEYPOINTS: Final = 15
"""Key points that carry the motion, each (x, y, z) in [-1, 1]."""

STYLES: Final = 46
"""Pose styles: the speakers of the training data."""

POSE_LATENT: Final = 64
"""Width of the random vector that a chunk of head motion is made of."""

POSE_CHUNK: Final = 32
"""Frames of head motion that are made at once."""

MEL_BANDS: Final = 80
MEL_COLUMNS: Final = 16
"""Columns of the spectrogram that one frame hears: 0.2 s."""

WINDOW_RADIUS: Final = 13
"""Frames on either side that the mapping of one frame sees."""

WINDOW: Final = 2 * WINDOW_RADIUS + 1

FACE_SIDE: Final = 224
"""Side of the aligned face that 3DMM reconstruction sees, in pixels."""


@dataclass(frozen=True)
class SadTalkerDims:
    """The widths of the networks; the defaults are the released ones.

    Attributes:
        reduction: every channel count of the released networks is divided by it, a power of two up to 16.
        depth: slices of the appearance volume.
    """

    reduction: int = 1
    depth: int = 16

    def channels(self, released: int) -> int:
        """A channel count of the released networks, reduced."""
        return released // self.reduction

    def to_json(self) -> dict[str, int]:
        return asdict(self)


TINY: Final = SadTalkerDims(reduction=16, depth=2)
"""Small enough for tests to render a frame at once; the code is the same."""
