"""A driving video's face: followed, lost, refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.errors import InvalidInputException
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.sadtalker.alignment import Aligned
from lumen.families.sadtalker.dims import FACE_MODEL
from lumen.families.sadtalker.driver import MAX_FRAMES, Follower, batches, check_frames, driving_coefficients
from tests.support.portraits import Pixels, on_canvas, portrait, scaled

SIDE = 300
EMPTY = np.full((SIDE, 2 * SIDE, 3), 128, np.uint8)


def at(x: int, name: str = "ada") -> Pixels:
    """Somebody ``x`` pixels from the left of a wide frame."""
    return on_canvas([(scaled(portrait(name), SIDE), x, 0)], 2 * SIDE, SIDE)


def followed(mesher: FaceMesher, frames: list[Pixels]) -> list[Aligned]:
    follower = Follower()
    return [follower.aligned(frame, mesher.find(frame)) for frame in frames]


def places(aligned: list[Aligned]) -> NDArray[np.float32]:
    """[n, 3]: scale and position in the crop of the first frame."""
    return np.stack([each.place for each in aligned])


def test_a_face_that_moves_is_followed_in_the_first_frames_crop(mesher: FaceMesher) -> None:
    """The place moves as the face does, by the same pixels of the crop each frame."""
    found = places(followed(mesher, [at(x) for x in (100, 115, 130, 145)]))
    steps = np.diff(found[:, 1])
    assert steps.min() > 5
    assert steps.max() - steps.min() < 2
    np.testing.assert_allclose(found[:, 0], found[0, 0], rtol=0.03)


def test_pieces_of_a_video_follow_the_same_face(mesher: FaceMesher) -> None:
    """A piece that begins with the first frame finds the face where the whole does."""
    frames = [at(x) for x in (100, 140, 180, 210)]
    whole = places(followed(mesher, frames))
    piece = places(followed(mesher, [frames[0], *frames[2:]]))
    np.testing.assert_allclose(piece, whole[[0, 2, 3]], atol=1e-3)


def test_a_face_that_is_lost_stays_where_it_was(mesher: FaceMesher) -> None:
    """Frames without it do not end the video, and it is found again."""
    found = places(followed(mesher, [at(100), at(120), EMPTY, EMPTY, at(110)]))
    np.testing.assert_array_equal(found[2], found[1])
    np.testing.assert_array_equal(found[3], found[1])
    assert found[0, 1] < found[4, 1] < found[1, 1]


def test_somebody_else_does_not_take_its_place(mesher: FaceMesher) -> None:
    """A face beside the first frame's crop is not the one that is followed."""
    found = places(followed(mesher, [at(0), at(SIDE, "alan")]))
    np.testing.assert_array_equal(found[1], found[0])


def test_the_first_frame_must_show_one_face(mesher: FaceMesher) -> None:
    """All frames are cut as the first one is."""
    with pytest.raises(InvalidInputException, match="no face was found"):
        followed(mesher, [EMPTY, at(0)])
    ada, alan = (scaled(portrait(name), SIDE) for name in ("ada", "alan"))
    with pytest.raises(InvalidInputException, match="2 faces were found"):
        followed(mesher, [on_canvas([(ada, 0, 0), (alan, SIDE, 0)], 2 * SIDE, SIDE)])


@pytest.mark.parametrize(
    "shape",
    [(0, 8, 8, 3), (MAX_FRAMES + 1, 1, 1, 3), (8, 8, 3), (2, 8, 8, 4), (2, 0, 8, 3)],
    ids=["none", "too many", "a picture", "four channels", "empty"],
)
def test_what_is_no_video_is_refused(shape: tuple[int, ...]) -> None:
    """The message names the shape that came and the one that was expected."""
    with pytest.raises(InvalidInputException, match=r"expected uint8 RGB \[n, height, width, 3\]") as refusal:
        check_frames(np.zeros(shape, np.uint8))
    assert str(list(shape)) in refusal.value.message


def test_as_many_frames_as_may_be(mesher: FaceMesher) -> None:
    """The bound itself is taken; networks get batches of no more than they serve, rows come in order."""
    check_frames(np.zeros((MAX_FRAMES, 1, 1, 3), np.uint8))
    aligned = followed(mesher, [at(100), at(120), at(140)])
    assert [len(images) for images in batches(aligned, 2)] == [2, 1]
    faces = np.arange(3)[:, None] * np.ones(FACE_MODEL, np.float32)
    rows = driving_coefficients(faces, aligned)
    assert rows.shape == (3, 70)
    assert rows[:, 0].tolist() == [0, 1, 2]
