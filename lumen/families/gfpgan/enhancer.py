"""Frames at twice their size with the face restored: cut out, handed to a restorer, put back.

The face is brought to the place that faces have in FFHQ (T. Karras et al., 2019, arXiv:1812.04948), where
GFPGAN saw them in training, by the similarity that fits five points best (S. Umeyama, 1991). Every frame is
done by itself, so a clip may be cut into requests anywhere.

Unlike the reference, which parses every restored face into skin, hair and so on to know what to take of it,
one mask is made once: an oval around the face with a wide soft edge. The restored face's hair and
surroundings are not taken.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lumen.contracts import ENHANCER_FACTOR, ENHANCER_FRAMES
from lumen.errors import InvalidInputException
from lumen.families.gfpgan.dims import FACE_SIZE
from lumen.families.sadtalker.alignment import EYES_NOSE_MOUTH

Pixels = NDArray[np.uint8]
FloatArray = NDArray[np.float64]

FindFace = Callable[[Pixels], NDArray[np.float32] | None]
"""A frame, uint8 [H, W, 3] -> the 68 landmarks of its largest face in pixels [68, 2]; None without a face."""

Restore = Callable[[Pixels], Pixels]
"""Faces, uint8 [B, 512, 512, 3] -> the same, restored; B is at most ``FACES_AT_ONCE``."""

FACES_AT_ONCE: Final = 4
"""Faces in one call of the restorer: no more fit into its batch."""

TEMPLATE: Final[FloatArray] = 0.5 + np.array(
    [
        (192.98138, 239.94708),
        (318.90277, 240.1936),
        (256.63416, 314.01935),
        (201.26117, 371.41043),
        (313.08905, 371.15118),
    ]
)
"""Eyes, tip of the nose and corners of the mouth in the 512 pixels of an aligned face.

Published with pixel centres at whole numbers; here they are at halves.
"""

LEAST_EYE_DISTANCE: Final = 5.0
"""Pixels between the eyes below which a face is left as it is."""

OUTSIDE: Final = (132, 133, 135)
"""Colour around a face that leaves its frame; the grey of the training data."""

OVAL_CENTRE: Final = (256.0, 276.0)
OVAL_AXES: Final = (196.0, 236.0)
"""Half axes of the mask in the aligned face, in pixels: to the ears, into the hairline, below the chin."""

OVAL_SOLID: Final = 0.72
"""Part of the axes within which the mask is whole."""

DEFAULT_WEIGHT: Final = 1.0
"""Share of the restored face in the result. (The reference's weight of 0.5 reaches no part of GFPGAN.)"""


@dataclass(frozen=True)
class Similarity:
    """Similarity transform: points p of one picture -> ``matrix @ p + shift`` of another; matrix [2, 2]."""

    matrix: FloatArray
    shift: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        """Map points [N, 2] -> [N, 2]."""
        return np.asarray(points @ self.matrix.T + self.shift)

    def coefficients(self) -> tuple[float, ...]:
        """Inverse transform as Pillow takes it: from pixels of the new picture to places in the old one."""
        (a, b), (c, d) = self.matrix.tolist()
        return a, b, float(self.shift[0]), c, d, float(self.shift[1])


def enhance(frames: Pixels, find: FindFace, restore: Restore, weight: float = DEFAULT_WEIGHT) -> Pixels:
    """Enhance frames uint8 [n, H, W, 3] -> uint8 [n, 2H, 2W, 3]; a frame without a face is enlarged only.

    Raises:
        InvalidInputException: the frames are no RGB frames or too many, or the weight is not in 0..1.
    """
    _check(frames, weight)
    places = [_place(find(frame)) for frame in frames]
    with_face = [index for index, place in enumerate(places) if place is not None]
    aligned = [cut(frames[index], place) for index, place in enumerate(places) if place is not None]
    restored = dict(zip(with_face, _restored(aligned, restore), strict=True))
    mask = face_mask(weight)
    done = []
    for index, (frame, place) in enumerate(zip(frames, places, strict=True)):
        picture = _enlarged(frame)
        if place is not None:
            _put_back(picture, restored[index], mask, place)
        done.append(np.asarray(picture))
    return np.stack(done)


def fitted(points: FloatArray, target: FloatArray) -> Similarity:
    """Fit the similarity without mirroring that brings points [N, 2] nearest to target [N, 2].

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991, for
    the plane: turning and scaling is one complex factor there.
    """
    ours, theirs = points.mean(0), target.mean(0)
    p, q = (x[:, 0] + 1j * x[:, 1] for x in (points - ours, target - theirs))
    factor = np.vdot(p, q) / np.vdot(p, p).real
    matrix = np.array([(factor.real, -factor.imag), (factor.imag, factor.real)])
    return Similarity(matrix, theirs - matrix @ ours)


def five_points(landmarks: NDArray[np.float32]) -> FloatArray:
    """Reduce landmarks [68, 2] to eyes, tip of the nose and corners of the mouth [5, 2]."""
    points = landmarks.astype(np.float64)
    return np.array([(points[a] + points[b]) / 2 for a, b in EYES_NOSE_MOUTH])


def cut(frame: Pixels, place: Similarity) -> Pixels:
    """Cut the aligned face out, uint8 [512, 512, 3]. place: from the aligned face to the frame."""
    size = (FACE_SIZE, FACE_SIZE)
    picture = Image.fromarray(frame).transform(
        size,
        Image.Transform.AFFINE,
        place.coefficients(),
        Image.Resampling.BILINEAR,
        fillcolor=OUTSIDE,
    )
    return np.asarray(picture)


def face_mask(weight: float = 1.0) -> Image.Image:
    """Share of the restored face in the result, 0..255 ("L", 512 x 512): an oval with a soft edge."""
    centres = np.arange(FACE_SIZE) + 0.5
    x, y = ((centres - OVAL_CENTRE[i]) / OVAL_AXES[i] for i in range(2))
    depth = np.clip((1 - np.hypot(x[None, :], y[:, None])) / (1 - OVAL_SOLID), 0, 1)
    soft = depth * depth * (3 - 2 * depth)
    return Image.fromarray(np.rint(255 * weight * soft).astype(np.uint8))


def _check(frames: Pixels, weight: float) -> None:
    shape = list(frames.shape)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or frames.size == 0:
        raise InvalidInputException(
            f"The frames are {frames.dtype} {shape}; expected uint8 [n, height, width, 3] RGB."
        )
    if len(frames) > ENHANCER_FRAMES:
        raise InvalidInputException(
            f"Got {len(frames)} frames; send at most {ENHANCER_FRAMES} at once, in order."
        )
    if not 0 <= weight <= 1:
        raise InvalidInputException(f"The weight is {weight:g}; expected 0 (as it was) to 1 (restored).")


def _place(landmarks: NDArray[np.float32] | None) -> Similarity | None:
    """Transform from the aligned face to the frame; None without a face that is large enough."""
    if landmarks is None or not np.isfinite(landmarks).all():
        return None
    points = five_points(landmarks)
    if np.linalg.norm(points[1] - points[0]) < LEAST_EYE_DISTANCE:
        return None
    return inverse(fitted(points, TEMPLATE))


def inverse(place: Similarity) -> Similarity:
    """Invert a similarity transform."""
    matrix = np.linalg.inv(place.matrix)
    return Similarity(matrix, -matrix @ place.shift)


def _restored(faces: Sequence[Pixels], restore: Restore) -> Iterator[Pixels]:
    for start in range(0, len(faces), FACES_AT_ONCE):
        yield from restore(np.stack(faces[start : start + FACES_AT_ONCE]))


def _enlarged(frame: Pixels) -> Image.Image:
    height, width = frame.shape[:2]
    size = width * ENHANCER_FACTOR, height * ENHANCER_FACTOR
    return Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)


def _put_back(picture: Image.Image, face: Pixels, mask: Image.Image, place: Similarity) -> None:
    """Draw the face where it was; only the pixels under it are touched.

    place: from the aligned face to the frame before it was enlarged.
    """
    enlarged = Similarity(place.matrix * ENHANCER_FACTOR, place.shift * ENHANCER_FACTOR)
    left, top, right, bottom = _bounds(enlarged, picture.size)
    if left >= right or top >= bottom:
        return
    back = inverse(enlarged)
    from_part = Similarity(back.matrix, back(np.array([(left, top)], np.float64))[0])
    size, coefficients = (right - left, bottom - top), from_part.coefficients()
    how = Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    picture.paste(Image.fromarray(face).transform(size, *how), (left, top), mask.transform(size, *how))


def _bounds(place: Similarity, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the aligned face in a picture of ``size``, in whole pixels."""
    corners = place(np.array([(x, y) for x in (0, FACE_SIZE) for y in (0, FACE_SIZE)], np.float64))
    low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
    low, high = (np.clip(edge, 0, size).astype(int) for edge in (low, high))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
