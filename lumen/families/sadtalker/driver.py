"""Driving videos: expression and pose of every frame's face."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen.errors import InvalidInputException
from lumen.families.portrait.face_mesh import Face
from lumen.families.portrait.landmarks68 import landmarks_of
from lumen.families.portrait.portrait import choose_face
from lumen.families.sadtalker.alignment import Aligned, align, portrait_coefficients
from lumen.families.sadtalker.crop import Box, Preprocess, crop
from lumen.families.sadtalker.dims import MOTION
from lumen.families.sadtalker.portrait import in_crop
from lumen.families.sadtalker.resize import resize

SIZE: Final = 256
"""Side of the crops that the faces are measured in, as in the reference at every size of the frames."""

MAX_FRAMES: Final = 512
"""Frames of one request."""

Pixels = NDArray[np.uint8]


def check_frames(frames: Pixels) -> None:
    """Refuse what is no video.

    Raises:
        InvalidInputException: the message says what came.
    """
    if frames.ndim != 4 or not 1 <= len(frames) <= MAX_FRAMES or frames.shape[3] != 3 or not frames.size:
        raise InvalidInputException(
            f"frames is {frames.dtype} {list(frames.shape)}; expected uint8 RGB [n, height, width, 3] with n "
            f"from 1 to {MAX_FRAMES}"
        )


class Follower:
    """Finds the driving face in frame after frame, in the crop of the first one.

    box: of that crop; None until the first frame.
    """

    def __init__(self) -> None:
        self.box: Box | None = None
        self._place: NDArray[np.float32] | None = None

    def aligned(self, frame: Pixels, faces: Sequence[Face]) -> Aligned:
        """The face of the next frame for 3DMM reconstruction; where it is not found, where it was last.

        Raises:
            InvalidInputException: the first frame does not show one face that can be animated.
        """
        landmarks = self._landmarks(frame, faces)
        if self.box is None:
            self.box = crop(frame, landmarks, SIZE, Preprocess.CROP).box
        box = self.box
        cut = resize(frame[box.top : box.bottom, box.left : box.right], SIZE, SIZE)
        return align(cut, in_crop(landmarks, box, SIZE))

    def _landmarks(self, frame: Pixels, faces: Sequence[Face]) -> NDArray[np.float32]:
        if self._place is None:
            found = landmarks_of(choose_face(faces, frame.shape[1], frame.shape[0]).mesh)
        else:
            found = self._nearest(faces)
        self._place = found
        return found

    def _nearest(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """The face closest to where it was, of those in the crop: others are somebody else's.

        The crop is the same in every piece of a video, where the face was is not.
        """
        assert self._place is not None
        assert self.box is not None
        last, box = self._place, self.box
        inside = [
            points
            for points in (landmarks_of(face.mesh) for face in faces)
            if box.left < points[:, 0].mean() < box.right and box.top < points[:, 1].mean() < box.bottom
        ]
        return min(inside, key=lambda points: np.linalg.norm(points.mean(0) - last.mean(0)), default=last)


def driving_coefficients(faces: NDArray[np.float32], aligned: Sequence[Aligned]) -> NDArray[np.float32]:
    """Motion coefficients of a driving video's frames, float32 [n, 70]: expression, then pose.

    faces: [n, 257], the answers of 3DMM reconstruction to ``aligned``.
    """
    pairs = zip(faces, aligned, strict=True)
    return np.stack([portrait_coefficients(face, each.place)[:MOTION] for face, each in pairs])


def batches(aligned: Sequence[Aligned], rows: int) -> Iterator[NDArray[np.float32]]:
    """Images [b, 3, 224, 224] of aligned faces, b <= ``rows``."""
    for i in range(0, len(aligned), rows):
        yield np.stack([each.image for each in aligned[i : i + rows]])
