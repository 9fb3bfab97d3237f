"""Poisson paste-back, against OpenCV's ``seamlessClone`` with the reference's mask and centre."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.families.sadtalker.crop import Box
from lumen.families.sadtalker.poisson import PoissonPaste

Pixels = NDArray[np.uint8]

BOXES = [
    Box(100, 50, 356, 306),
    Box(0, 0, 400, 320),
    Box(0, 20, 211, 320),
    Box(97, 33, 218, 250),
    Box(10, 10, 40, 19),
]


def smooth(height: int, width: int, seed: int) -> Pixels:
    """Blotches of some 30 pixels."""
    coarse = np.random.default_rng(seed).normal(128, 50, (height // 30 + 2, width // 30 + 2, 3))
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(fine, 0, 255).astype(np.uint8)


def noise(height: int, width: int, seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def seamless_clone(frame: Pixels, picture: Pixels, box: Box) -> Pixels:
    """Paste a frame as the reference does in its modes ``full`` and ``extfull``."""
    fitted = cv2.resize(frame, (box.width, box.height))
    centre = (box.left + box.right) // 2, (box.top + box.bottom) // 2
    mask = np.full_like(fitted, 255)
    return np.asarray(cv2.seamlessClone(fitted, picture, mask, centre, cv2.NORMAL_CLONE), np.uint8)


@pytest.mark.parametrize("make", [smooth, noise])
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_as_opencv_does_it(box: Box, make: Callable[[int, int, int], Pixels]) -> None:
    """Within 2 of 255: fractions are cut off, and frames are resized with other roundings."""
    picture, frame = make(320, 400, 1), make(256, 256, 2)
    ours = PoissonPaste(picture, box)(frame)
    difference = np.abs(ours.astype(int) - seamless_clone(frame, picture, box))
    assert difference.max() <= 2
    assert difference.mean() < 0.3


def test_frames_do_not_depend_on_each_other() -> None:
    """The picture and earlier frames are as before, and the rest of the picture is not touched."""
    picture, box = smooth(200, 300, 1), Box(50, 40, 150, 160)
    before = picture.copy()
    paste = PoissonPaste(picture, box)
    first = paste(smooth(64, 64, 2))
    paste(noise(64, 64, 3))
    np.testing.assert_array_equal(paste(smooth(64, 64, 2)), first)
    np.testing.assert_array_equal(picture, before)
    first[41:159, 51:149] = before[41:159, 51:149]
    np.testing.assert_array_equal(first, before)


def test_a_box_that_is_all_seam() -> None:
    """A box without a pixel far enough inside leaves the picture as it is, as with OpenCV."""
    picture = smooth(60, 60, 1)
    np.testing.assert_array_equal(PoissonPaste(picture, Box(10, 10, 50, 18))(noise(64, 64, 2)), picture)
