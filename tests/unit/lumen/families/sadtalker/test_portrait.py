"""The portrait's geometry: the square that is animated, the aligned face, resizing."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.errors import InvalidInputException
from lumen.families.sadtalker.alignment import MODEL_POINTS, PIXELS_PER_UNIT, align, portrait_coefficients
from lumen.families.sadtalker.crop import Box, Preprocess, crop, face_square
from lumen.families.sadtalker.dims import FACE_SIDE
from lumen.families.sadtalker.paste import PasteBack, output_size
from lumen.families.sadtalker.resize import resize

Landmarks = NDArray[np.float32]


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """A smooth pattern that differs everywhere."""
    y, x = np.mgrid[:height, :width]
    red, green = x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1)
    return np.stack([red, green, 127 + 60 * np.sin(x / 40) * np.cos(y / 30)], -1).astype(np.uint8)


def face(centre: tuple[float, float], eyes_apart: float, tilt: float = 0.0) -> Landmarks:
    """68 landmarks of which eyes, nose and mouth are those of the face model, seen from the front."""
    unit = eyes_apart / (MODEL_POINTS[1, 0] - MODEL_POINTS[0, 0])
    flat = MODEL_POINTS[:, :2] * (unit, -unit)
    cos, sin = np.cos(tilt), np.sin(tilt)
    points = flat @ np.array([[cos, sin], [-sin, cos]]) + centre
    landmarks = np.tile(np.asarray(centre, np.float64), (68, 1))
    for index, point in zip((slice(36, 42), slice(42, 48), 30, 48, 54), points, strict=True):
        landmarks[index] = point
    return landmarks.astype(np.float32)


@pytest.mark.parametrize("size", [(256, 256), (100, 90), (512, 511), (217, 301), (1, 1)])
def test_resize_is_opencv(size: tuple[int, int]) -> None:
    """Pictures are resized as OpenCV does it, which the networks were trained on: within one level."""
    image = np.random.default_rng(0).integers(0, 256, (301, 217, 3), np.uint8)
    expected = cv2.resize(image, size).astype(int)
    assert np.abs(resize(image, *size) - expected).max() <= 1


def test_square_around_a_face() -> None:
    """Its side is four distances of the eyes, its centre a little below them."""
    quad = face_square(face((500, 400), 100))
    side = np.linalg.norm(quad[3] - quad[0])
    assert side == pytest.approx(400, rel=0.01)
    np.testing.assert_allclose(quad.mean(0), (500, 400 - 47 + 11), atol=3)
    assert quad[0, 0] < quad[2, 0]
    assert quad[0, 1] < quad[1, 1]


def test_crop_and_its_border() -> None:
    """`crop` is the square, `extcrop` has a tenth more around; each says where it lies in the picture."""
    image, landmarks = picture(1000, 900), face((500, 430), 100)
    inner, outer = (crop(image, landmarks, 256, mode).box for mode in (Preprocess.CROP, Preprocess.EXTCROP))
    assert inner.width == pytest.approx(400, abs=3)
    assert outer.width == pytest.approx(480, abs=4)
    assert outer.left < inner.left
    assert outer.bottom > inner.bottom
    for mode in (Preprocess.FULL, Preprocess.EXTFULL):
        assert mode.pasted_back
        assert crop(image, landmarks, 256, mode).box in (inner, outer)
    made = crop(image, landmarks, 256, Preprocess.CROP)
    cut = image[inner.top : inner.bottom, inner.left : inner.right]
    assert np.abs(made.image.astype(int) - cv2.resize(cut, (256, 256)).astype(int)).max() <= 1


@pytest.mark.parametrize("size", [(300, 1400), (1400, 300)])
def test_tall_and_wide_pictures(size: tuple[int, int]) -> None:
    """A tall portrait keeps its lower part, and no box leaves the picture."""
    width, height = size
    box = crop(picture(*size), face((150, height - 160), 70), 256, Preprocess.CROP).box
    assert 0 <= box.left < box.right <= width
    assert 0 <= box.top < box.bottom <= height
    assert box.bottom > height - 60


def test_large_portrait() -> None:
    """From a square of 2048 pixels on the picture is first made smaller; the box is in its full size."""
    image, landmarks = picture(650, 600), face((1300, 1200), 600)
    large = crop(image.repeat(4, 0).repeat(4, 1), landmarks, 256, Preprocess.CROP)
    small = crop(image, landmarks / 4, 256, Preprocess.CROP)
    corners = np.array([[b.left, b.top, b.right, b.bottom] for b in (large.box, small.box)])
    np.testing.assert_allclose(corners[0], 4 * corners[1], atol=8)
    assert np.abs(large.image.astype(int) - small.image).mean() < 2


def test_whole_picture() -> None:
    """`resize` takes everything and needs no landmarks of use."""
    made = crop(picture(640, 480), np.zeros((68, 2), np.float32), 256, Preprocess.RESIZE)
    assert made.box == Box(0, 0, 640, 480)
    assert made.image.shape == (256, 256, 3)


@pytest.mark.parametrize(
    "landmarks",
    [
        np.zeros((68, 2), np.float32),
        np.full((68, 2), np.nan, np.float32),
        np.zeros((5, 2), np.float32),
        face((5000, 5000), 100),
    ],
)
def test_no_face(landmarks: Landmarks) -> None:
    """Landmarks that are no face in this picture are refused, not crashed on."""
    with pytest.raises(InvalidInputException):
        crop(picture(400, 300), landmarks, 256, Preprocess.CROP)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (512, 512), (300, 200)])
def test_alignment(width: int, height: int) -> None:
    """The face model's origin comes to the middle of the aligned face, at its scale."""
    eyes_apart = 60.0
    landmarks = face((width * 0.45, height * 0.55), eyes_apart)
    aligned = align(picture(width, height), landmarks)
    scale, x, y = aligned.place
    unit = eyes_apart / (MODEL_POINTS[1, 0] - MODEL_POINTS[0, 0])
    assert scale == pytest.approx(PIXELS_PER_UNIT / unit, rel=1e-4)
    assert (x, y) == pytest.approx((width * 0.45, height - 1 - height * 0.55), abs=1e-3)
    assert aligned.image.shape == (3, FACE_SIDE, FACE_SIDE)
    middle = aligned.image[:2, FACE_SIDE // 2, FACE_SIDE // 2]
    np.testing.assert_allclose(middle, (0.45, 0.55), atol=0.02)


def test_alignment_beyond_the_picture() -> None:
    """Pixels outside of the picture are black, and values are in 0..1."""
    aligned = align(np.full((256, 256, 3), 255, np.uint8), face((10, 10), 60)).image
    assert aligned.min() == 0
    assert aligned.max() == 1
    assert np.all(aligned[:, 0, 0] == 0)


@pytest.mark.parametrize(
    "landmarks", [np.zeros((68, 2), np.float32), np.zeros((68, 3), np.float32), face((128, 128), 0.1)]
)
def test_alignment_refuses(landmarks: Landmarks) -> None:
    """A point, a wrong shape and a face of a tenth of a pixel are no faces."""
    with pytest.raises(InvalidInputException):
        align(picture(256, 256), landmarks)


def test_portrait_coefficients() -> None:
    """Expression, angles, translation and place, in this order."""
    row = portrait_coefficients(np.arange(257, dtype=np.float32), np.array([-1, -2, -3], np.float32))
    assert row.tolist() == [*range(80, 144), *range(224, 227), *range(254, 257), -1, -2, -3]
    with pytest.raises(InvalidInputException, match="257"):
        portrait_coefficients(np.zeros(256, np.float32), np.zeros(3, np.float32))


def test_paste_back() -> None:
    """The frame fills its box, the picture stays as it was around it, and the seam lies between both."""
    around, box = np.full((200, 300, 3), 50, np.uint8), Box(100, 40, 220, 160)
    whole = PasteBack(around, box)(np.full((64, 64, 3), 250, np.uint8))
    assert np.all(whole[60:140, 120:200] == 250)
    outside = np.ones((200, 300), bool)
    outside[40:160, 100:220] = False
    assert np.all(whole[outside] == 50)
    assert np.all(np.diff(whole[100, 100:112, 0].astype(int)) >= 0)
    assert 50 <= whole[100, 100, 0] < whole[100, 104, 0] < 250
    assert np.all(around == 50)


def test_no_seam_at_the_edge() -> None:
    """A box that fills the picture is pasted without a seam."""
    frame = picture(80, 80)
    np.testing.assert_array_equal(PasteBack(np.zeros((80, 80, 3), np.uint8), Box(0, 0, 80, 80))(frame), frame)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((0, 0, 100, 100), (256, 256)),
        ((0, 0, 100, 150), (256, 384)),
        ((0, 0, 999, 2), (256, 2)),
        ((5, 5, 104, 105), (256, 258)),
    ],
)
def test_output_size(box: tuple[int, int, int, int], size: tuple[int, int]) -> None:
    """Frames get the aspect of their box again, with even sides."""
    assert output_size(Box(*box), 256) == size
