"""Crops: which face, which square, what lies beyond the picture."""

import numpy as np
import pytest

from lumen.errors import InvalidInputException
from lumen.families.portrait.face_mesh import Face, FaceMesher
from lumen.families.portrait.portrait import choose_face, frame_face, make_portrait
from tests.support.portraits import portrait, scaled


def face(x: float, y: float, height: float) -> Face:
    """A made-up face: an ellipse of points in a box of the usual proportions, its eyes level."""
    angle = np.linspace(0, 2 * np.pi, 468, endpoint=False) + np.radians(156)
    mesh = np.stack([x + 0.42 * height * np.cos(angle), y + height / 2 * np.sin(angle)], axis=1).astype(
        np.float32
    )
    return Face(
        np.concatenate([mesh.min(axis=0), mesh.max(axis=0)]), 0.9, mesh, np.zeros(len(mesh), np.float32)
    )


@pytest.mark.parametrize("size", [256, 512])
@pytest.mark.parametrize("name", ["ada", "alan"])
def test_bundled_portraits_fill_the_frame(name: str, size: int) -> None:
    """The face has 45 to 50 % of the height, stands in the middle, and its mesh lies in the crop."""
    image = portrait(name)
    made = make_portrait(image, FaceMesher().find(image), size)
    assert made.crop.shape == (size, size, 3)
    assert made.crop.dtype == np.uint8
    height = np.ptp(made.mesh[:, 1]) / 2
    assert 0.45 <= height <= 0.5
    assert abs(made.mesh[:, 0].mean()) < 0.05
    assert np.abs(made.mesh).max() < 1
    assert made.mesh.dtype == np.float32


def test_mesh_and_crop_agree() -> None:
    """A mark painted on a mesh point is at that point of the crop, in grid_sample's coordinates."""
    image = np.full((900, 1200, 3), 100, np.uint8)
    subject = face(500, 420, 300)
    x, y = np.floor(subject.mesh[40]).astype(int)
    image[y - 3 : y + 4, x - 3 : x + 4] = 255
    made = make_portrait(image, [subject], 512)
    bright = np.argwhere(made.crop[..., 0] > 220).mean(axis=0)[::-1]
    np.testing.assert_allclose((2 * bright + 1) / 512 - 1, made.mesh[40, :2], atol=0.006)


@pytest.mark.parametrize(("x", "y"), [(170, 200), (1020, 200), (600, 640)])
def test_square_is_moved_inside_the_picture(x: float, y: float) -> None:
    """A square beyond the edge is moved inside a large enough picture, and no pixel is invented."""
    square = frame_face(face(x, y, 280), 1200, 800)
    assert square.x >= 0
    assert square.y >= 0
    assert square.x + square.side <= 1200
    assert square.y + square.side <= 800


def test_too_tight_a_picture_goes_on_beyond_its_edges() -> None:
    """The face keeps room around it; surroundings continue the edge's colour, without black bars."""
    image = np.full((330, 300, 3), 180, np.uint8)
    made = make_portrait(image, [face(150, 165, 300)], 256)
    assert np.ptp(made.mesh[:, 1]) / 2 < 0.7
    assert np.abs(made.crop.astype(int) - 180).max() <= 1


def test_picture_is_sharp_up_to_its_seam() -> None:
    """Only what was invented is blurred."""
    image = np.zeros((300, 300, 3), np.uint8)
    image[::12] = image[1::12] = image[2::12] = 255
    crop = make_portrait(image, [face(150, 150, 260)], 512).crop
    assert crop[206:306, 256].std() > 80
    assert crop[206:306, 2].std() < 0.5 * crop[206:306, 256].std()


def test_no_face_is_refused() -> None:
    """The message says so and what to do."""
    with pytest.raises(InvalidInputException, match=r"no face was found .*640 x 480.*use one that shows"):
        choose_face([], 640, 480)


def test_comparable_faces_are_refused_but_not_a_passer_by() -> None:
    """From half the main face's size on, a second face makes it unclear who speaks."""
    main = face(300, 300, 200)
    with pytest.raises(InvalidInputException, match=r"2 faces were found .*200, 110 pixels.*crop"):
        choose_face([main, face(700, 300, 110), face(900, 300, 40)], 1000, 600)
    assert choose_face([face(700, 300, 90), main], 1000, 600) is main


def test_small_face_is_refused() -> None:
    """The message names the size that came and the one that is needed."""
    with pytest.raises(InvalidInputException, match="is 50 pixels high; at least 64 are needed"):
        choose_face([face(300, 300, 50)], 1000, 600)
    assert choose_face([face(300, 300, 66)], 1000, 600).side == pytest.approx(66, abs=0.1)


def test_cut_face_is_refused() -> None:
    """A mouth outside the picture cannot speak."""
    with pytest.raises(InvalidInputException, match="cut off by the picture's edge"):
        choose_face([face(60, 300, 200)], 1000, 600)


def test_unknown_size_is_refused() -> None:
    """Frames have the sizes of the contract."""
    with pytest.raises(InvalidInputException, match="size is 300; it must be one of 256, 512"):
        make_portrait(scaled(portrait("ada"), 256), [], 300)
