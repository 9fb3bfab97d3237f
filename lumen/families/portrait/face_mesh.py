"""Faces and their meshes: where every face of an image is and what it looks like, in 468 points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lumen.contracts import MESH_POINTS
from lumen.errors import InvalidInputException
from lumen.families.portrait.face_detection import Detections, FaceDetector, Network
from lumen.families.portrait.lip_line import settle_lips
from lumen.families.portrait.regions import FloatArray, Roi, roi_pixels, rotation

MESH_FILE: Final = "face_landmark.tflite"
MESH_SIDE: Final = 192
"""Side of the mesh network's input in pixels."""

ROI_SCALE: Final = 1.5
"""Side of the square that the mesh network sees, relative to the face in it (MediaPipe's value)."""

REFINEMENTS: Final = ((1.5, 0.0), (1.5, 0.05), (1.6, 0.0), (1.6, 0.05), (1.7, 0.05))
"""Squares around a first mesh that it is fitted again in: side and shift towards the chin, relative to
the face. The network's answer depends a little on the square; the mean of several is steadier."""

PART_SIZES: Final = (0.5, 0.25)
"""Fractions of the longer side that are searched when the whole image shows no face."""

MIN_PART: Final = 160
"""Pixels of a part below which nothing in it is large enough to be animated."""

DETECTION_SIDE: Final = 1024
"""Pixels of the longer side that detection needs: a larger image is reduced to less than twice that."""

SAME_FACE_SHARE: Final = 0.6
"""Overlap, as a share of the smaller of two faces, from which they are one: meshes of small faces differ
in size, and lie within each other then."""

MIN_PRESENCE: Final = 0.5
"""The mesh network's probability from which its input counts as a face."""

RIGHT_EYE_CORNER: Final = 33
LEFT_EYE_CORNER: Final = 263
"""Mesh points at the outer corners of the eyes; right and left are the person's own."""


@dataclass(frozen=True)
class Face:
    """Face in pixels of its image.

    box: float32 [4], x0, y0, x1, y1 around the mesh. score: probability in [0, 1].
    mesh: float32 [468, 2], MediaPipe's topology; x right, y down, pixel centres at +0.5.
    depth: float32 [468], how far behind the mesh's middle each point lies, also in pixels.
    """

    box: FloatArray
    score: float
    mesh: FloatArray
    depth: FloatArray

    @property
    def side(self) -> float:
        """The longer side of the box in pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


class FaceMesher:
    """Finds faces. Holds the networks; not for several threads at once."""

    def __init__(self, threads: int = 1) -> None:
        self._detector = FaceDetector(threads)
        self._network = Network(MESH_FILE, threads)

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Every face of an image, uint8 [H, W, 3] RGB: the largest first, none as an empty list.

        Faces much smaller than the whole image are looked for only when there is no larger one.

        Raises:
            InvalidInputException: the array is no RGB image.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise InvalidInputException(
                f"the image is {image.dtype} {list(image.shape)}; it must be uint8 [height, width, 3] RGB"
            )
        picture = Image.fromarray(image)
        factor = max(1, max(picture.size) // DETECTION_SIDE)
        small = picture.reduce(factor)
        faces = self._meshes(picture, self._detector.whole(small).scaled(factor))
        for fraction in PART_SIZES:
            if faces or fraction * max(picture.size) < MIN_PART:
                break
            faces = self._meshes(picture, self._detector.parts(small, fraction).scaled(factor))
        return sorted(faces, key=lambda face: -face.side)

    def _meshes(self, picture: Image.Image, found: Detections) -> list[Face]:
        faces = [
            self._mesh(picture, roi, float(s)) for roi, s in zip(_rois(found), found.scores, strict=True)
        ]
        return _distinct([face for face in faces if face is not None])

    def _mesh(self, picture: Image.Image, roi: Roi, score: float) -> Face | None:
        """The mesh in a square, refined in squares around itself; nothing where that is no face."""
        mesh, presence = self._fit(picture, roi)
        if presence < MIN_PRESENCE:
            return None
        passes = [self._fit(picture, _roi_of_mesh(mesh, *square)) for square in REFINEMENTS]
        presence = max(p for _, p in passes)
        if presence < MIN_PRESENCE:
            return None
        points = np.mean([m for m, _ in passes], axis=0, dtype=np.float32)
        mesh, depth = settle_lips(picture, points[:, :2], roll_of(points)), points[:, 2]
        box = np.concatenate([mesh.min(axis=0), mesh.max(axis=0)])
        return Face(box, min(score, presence), mesh, depth)

    def _fit(self, picture: Image.Image, roi: Roi) -> tuple[FloatArray, float]:
        """Run the mesh network once: mesh with depth [468, 3] in image pixels, probability of a face."""
        points, logit = self._network.run(roi_pixels(picture, roi, MESH_SIDE))
        points = points.reshape(MESH_POINTS, 3) / MESH_SIDE
        mesh = np.column_stack([roi.to_image(points[:, :2]), points[:, 2] * roi.side])
        return mesh.astype(np.float32), float(1.0 / (1.0 + np.exp(-logit.ravel()[0])))


def stack_faces(faces: Sequence[Face]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """N faces -> boxes float32 [N, 4], scores [N], meshes [N, 468, 2], depths [N, 468]; N may be 0."""
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
    scores = np.array([face.score for face in faces], np.float32)
    meshes = np.array([face.mesh for face in faces], np.float32).reshape(-1, MESH_POINTS, 2)
    depths = np.array([face.depth for face in faces], np.float32).reshape(-1, MESH_POINTS)
    return boxes, scores, meshes, depths


def unstack_faces(
    boxes: FloatArray, scores: FloatArray, meshes: FloatArray, depths: FloatArray
) -> list[Face]:
    """Rebuild the faces from the arrays of ``stack_faces``."""
    return [Face(b, float(s), m, d) for b, s, m, d in zip(boxes, scores, meshes, depths, strict=True)]


def _rois(found: Detections) -> list[Roi]:
    return [_roi_of_detection(box, points) for box, points in zip(found.boxes, found.keypoints, strict=True)]


def _roi_of_detection(box: FloatArray, keypoints: FloatArray) -> Roi:
    side = float(max(box[2] - box[0], box[3] - box[1]))
    centre = (box[:2] + box[2:]) / 2
    return Roi(centre, side * ROI_SCALE, _angle(keypoints[0], keypoints[1]))


def _roi_of_mesh(mesh: FloatArray, scale: float, shift: float) -> Roi:
    """The square around a mesh, upright with its eyes, ``shift`` of the face towards the chin."""
    angle = roll_of(mesh)
    upright = mesh[:, :2] @ rotation(angle)
    low, high = upright.min(axis=0), upright.max(axis=0)
    side = float((high - low).max())
    centre = rotation(angle) @ ((low + high) / 2 + (0, shift * side))
    return Roi(centre.astype(np.float32), side * scale, angle)


def _distinct(faces: list[Face]) -> list[Face]:
    """Drop faces that are another, more certain one seen again."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.score):
        others = np.array([k.box for k in kept], np.float32).reshape(-1, 4)
        if not (_shared(face.box, others) > SAME_FACE_SHARE).any():
            kept.append(face)
    return kept


def _shared(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Overlap of a box [4] with each of boxes [N, 4], as a share of the smaller of the two -> [N]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.minimum(np.prod(box[2:] - box[:2]), np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    return np.asarray(common / np.maximum(areas, 1e-9), np.float32)


def roll_of(mesh: FloatArray) -> float:
    """The tilt of a face in radians, clockwise in the picture, in -pi..pi: mesh [468, 2] in pixels."""
    return _angle(mesh[RIGHT_EYE_CORNER], mesh[LEFT_EYE_CORNER])


def _angle(right_eye: FloatArray, left_eye: FloatArray) -> float:
    across = left_eye - right_eye
    return float(np.arctan2(across[1], across[0]))
