"""Closed lips are found by the line between them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.lip_line import LOWER_LINE, UPPER_LINE, settle_lips
from lumen.families.portrait.regions import FloatArray
from tests.support.portraits import portrait

WIDTH = 100


def flat_mouth(gap: float = 0.0) -> FloatArray:
    """A mesh whose mouth is a straight line across (100..200, 150); all else is far away."""
    mesh = np.full((468, 2), -900, np.float32)
    for x, up, low in zip(np.linspace(100, 100 + WIDTH, 11), UPPER_LINE, LOWER_LINE, strict=True):
        mesh[up], mesh[low] = (x, 150 - gap / 2), (x, 150 + gap / 2)
    return mesh


def picture_of_a_line(y: int) -> Image.Image:
    picture = Image.new("RGB", (300, 300), (200, 140, 130))
    ImageDraw.Draw(picture).line((95, y, 205, y), fill=(70, 30, 30), width=3)
    return picture


@pytest.mark.parametrize("offset", [-9, -4, 0, 5, 10])
def test_mouth_follows_the_dark_line(offset: int) -> None:
    """Up to a tenth of the mouth's width away, either way."""
    moved = settle_lips(picture_of_a_line(150 + offset), flat_mouth(), 0.0)
    assert moved[13, 1] - 150 == pytest.approx(offset, abs=1.5)


def test_open_mouth_and_faceless_skin_stay() -> None:
    """Teeth are no line between lips, and nor is nothing."""
    open_mouth = flat_mouth(gap=12)
    np.testing.assert_array_equal(settle_lips(picture_of_a_line(156), open_mouth, 0.0), open_mouth)
    blank = settle_lips(Image.new("RGB", (300, 300), (200, 140, 130)), flat_mouth(), 0.0)
    np.testing.assert_allclose(blank, flat_mouth(), atol=1e-3)


def test_distant_points_stay() -> None:
    """Only the mouth's surroundings move with it."""
    mesh = flat_mouth()
    mesh[33] = (120, 20)
    moved = settle_lips(picture_of_a_line(158), mesh, 0.0)
    np.testing.assert_allclose(moved[33], mesh[33], atol=0.1)


def test_settling_twice_changes_little() -> None:
    """The line that was found is found again."""
    image = portrait("ada")
    mesh = FaceMesher().find(image)[0].mesh
    again = settle_lips(Image.fromarray(image), mesh, 0.0)
    assert np.abs(again - mesh).max() < 2.5
