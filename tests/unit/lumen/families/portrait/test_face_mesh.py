"""Faces are found, and found where they are."""

import numpy as np
import pytest
from PIL import Image

from export.warp.portraits import PORTRAITS
from lumen.errors import InvalidInputException
from lumen.families.portrait.face_detection import Detections, merge
from lumen.families.portrait.face_mesh import Face, FaceMesher, stack_faces, unstack_faces
from lumen.families.portrait.landmarks68 import LANDMARKS, TABLE, landmarks_of
from tests.support.portraits import NOSE_TIP, Pixels, drawn_points, on_canvas, portrait, scaled

NAMES = list(PORTRAITS)
CHIN = 152


def only(mesher: FaceMesher, image: Pixels) -> Face:
    faces = mesher.find(image)
    assert len(faces) == 1
    return faces[0]


@pytest.mark.parametrize("name", NAMES)
def test_mesh_lies_on_the_drawn_features(mesher: FaceMesher, name: str) -> None:
    """Eyes and lips are within 2.5 % of the face's height, the line between the lips within 1 %."""
    face = only(mesher, portrait(name))
    assert face.score > 0.9
    drawn = drawn_points(PORTRAITS[name])
    errors = {i: float(np.hypot(*(face.mesh[i] - point))) / face.side for i, point in drawn.items()}
    assert max(errors[13], errors[14]) < 0.01, errors
    assert max(error for point, error in errors.items() if point != CHIN) < 0.025, errors
    assert errors[CHIN] < 0.05, errors


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [160, 256, 512, 1400])
def test_size_of_the_picture_does_not_matter(mesher: FaceMesher, name: str, side: int) -> None:
    """A small and an enlarged copy give the same mesh, scaled."""
    whole, other = only(mesher, portrait(name)), only(mesher, scaled(portrait(name), side))
    difference = np.hypot(*(other.mesh * 768 / side - whole.mesh).T)
    assert difference.mean() < 0.012 * whole.side


@pytest.mark.parametrize("name", NAMES)
def test_mirrored(mesher: FaceMesher, name: str) -> None:
    """The mirror image's mesh is the mirrored mesh: right eye and left eye change places."""
    whole, other = only(mesher, portrait(name)), only(mesher, portrait(name)[:, ::-1].copy())
    for here, there in ((33, 263), (61, 291), (13, 13), (CHIN, CHIN)):
        x, y = other.mesh[there]
        assert np.hypot(*(whole.mesh[here] - (768 - x, y))) < 0.025 * whole.side


@pytest.mark.parametrize("degrees", [-25, -10, 10, 25])
def test_tilted_head(mesher: FaceMesher, degrees: int) -> None:
    """A head on one side is followed: the eyes' line turns with the picture."""
    turned = np.array(
        Image.fromarray(portrait("ada")).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(128,) * 3)
    )
    across = np.subtract(*only(mesher, turned).mesh[[263, 33]])
    assert np.degrees(np.arctan2(-across[1], across[0])) == pytest.approx(degrees, abs=2)


def test_small_face_in_a_large_picture(mesher: FaceMesher) -> None:
    """A full figure, where the face has a thirtieth of the height, is searched part by part."""
    image = on_canvas([(scaled(portrait("alan"), 160), 900, 150)], 1400, 2200)
    face = only(mesher, image)
    assert np.hypot(*(face.mesh[13] - (900 + 80, 150 + 99))) < 0.05 * face.side


def test_close_up(mesher: FaceMesher) -> None:
    """A picture that shows hardly more than the face."""
    face = only(mesher, portrait("ada")[205:565, 235:535])
    assert np.hypot(*(face.mesh[13] - (384 - 235, 473 - 205))) < 0.03 * face.side


def test_two_faces(mesher: FaceMesher) -> None:
    """Both are found, the larger first."""
    image = on_canvas([(portrait("ada"), 0, 0), (scaled(portrait("alan"), 600), 780, 100)], 1400, 768)
    faces = mesher.find(image)
    assert [round(face.box[0]) > 700 for face in faces] == [False, True]
    assert faces[0].side > faces[1].side


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (480, 640)])
def test_no_face_is_an_empty_answer(mesher: FaceMesher, shape: tuple[int, int]) -> None:
    """Noise of any shape is no face, and no error."""
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert mesher.find(noise) == []


def test_grey_picture(mesher: FaceMesher) -> None:
    """Colour is not needed."""
    grey = np.array(Image.fromarray(portrait("alan")).convert("L").convert("RGB"))
    assert np.hypot(*(only(mesher, grey).mesh[13] - only(mesher, portrait("alan")).mesh[13])) < 5


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 8, 3)),
    ],
)
def test_what_is_no_rgb_image_is_refused(mesher: FaceMesher, image: Pixels) -> None:
    """The message says what came and what was expected."""
    with pytest.raises(InvalidInputException, match=r"the image is .*must be uint8 \[height, width, 3\]"):
        mesher.find(image)


def test_landmarks_are_means_of_mesh_points() -> None:
    """68 of them, in the mesh's units, for any number of faces."""
    mesh = np.random.default_rng(0).random((2, 468, 2), np.float32)
    landmarks = landmarks_of(mesh)
    expected = [mesh[:, list(points)].mean(axis=1) for points in TABLE]
    assert landmarks.shape == (2, LANDMARKS, 2)
    np.testing.assert_allclose(landmarks, np.stack(expected, axis=1), atol=1e-6)
    assert landmarks_of(mesh[:0]).shape == (0, LANDMARKS, 2)


@pytest.mark.parametrize("name", NAMES)
def test_depth_is_a_relief(mesher: FaceMesher, name: str) -> None:
    """The nose's tip lies before the mouth, and that before the cheeks, by a good part of the face."""
    face = only(mesher, portrait(name))
    nose, lips, sides = (float(face.depth[points].mean()) for points in ([NOSE_TIP], [13, 14], [234, 454]))
    assert nose < lips < sides
    assert 0.2 * face.side < sides - nose < 0.8 * face.side


@pytest.mark.parametrize("count", [0, 1, 3])
def test_faces_survive_their_way_through_tensors(count: int) -> None:
    """Stacking and unstacking gives the same faces, none included."""
    rng = np.random.default_rng(0)
    faces = [
        Face(rng.random(4, np.float32), 0.5, rng.random((468, 2), np.float32), rng.random(468, np.float32))
        for _ in range(count)
    ]
    boxes, scores, meshes, depths = stack_faces(faces)
    assert (boxes.shape, scores.shape, meshes.shape) == ((count, 4), (count,), (count, 468, 2))
    for one, other in zip(faces, unstack_faces(boxes, scores, meshes, depths), strict=True):
        assert one.score == other.score
        np.testing.assert_array_equal(one.mesh, other.mesh)
        np.testing.assert_array_equal(one.depth, other.depth)


def test_candidates_of_one_face_become_their_mean() -> None:
    """Overlapping boxes merge, weighted by score; the distant one stays."""
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    merged = merge(Detections(boxes, np.zeros((3, 6, 2), np.float32), np.array([0.6, 0.9, 0.7], np.float32)))
    np.testing.assert_allclose(merged.boxes, [[0.6, 0, 10.6, 10], [50, 50, 60, 60]], atol=1e-5)
    np.testing.assert_allclose(merged.scores, [0.9, 0.7])
