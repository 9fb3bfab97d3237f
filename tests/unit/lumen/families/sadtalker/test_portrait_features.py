"""Features, warnings and refusals of a picture with a face."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.errors import InvalidInputException
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.sadtalker.crop import Preprocess
from lumen.families.sadtalker.dims import FACE_MODEL
from lumen.families.sadtalker.portrait import PortraitFeatures, make_features
from tests.support.portraits import Pixels, on_canvas, portrait, scaled, turned


def flat_face3d(_: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.zeros(FACE_MODEL, np.float32)


def features(
    mesher: FaceMesher, image: Pixels, preprocess: Preprocess = Preprocess.CROP, size: int = 256
) -> PortraitFeatures:
    return make_features(image, mesher.find(image), size, preprocess, flat_face3d)


@pytest.mark.parametrize("preprocess", Preprocess)
def test_a_good_portrait_has_no_warnings(mesher: FaceMesher, preprocess: Preprocess) -> None:
    """The face lies inside of what is animated, whichever part of the picture that is."""
    found = features(mesher, portrait("ada"), preprocess)
    assert found.warnings == ()
    assert found.crop.shape == (256, 256, 3)
    assert found.box.left <= found.face.left < found.face.right <= found.box.right
    assert found.box.top <= found.face.top < found.face.bottom <= found.box.bottom
    assert found.confidence > 0.9


@pytest.mark.parametrize(("degrees", "said"), [(-30, 30), (15, None), (30, 30)])
def test_a_turned_head_is_warned_of(mesher: FaceMesher, degrees: int, said: int | None) -> None:
    """From 20 degrees on, to either side; the warning names the turn."""
    image = scaled(portrait("ada"), 512)
    warnings = features(mesher, turned(image, mesher.find(image)[0], degrees)).warnings
    if said is None:
        assert warnings == ()
    else:
        (warning,) = warnings
        assert int(warning.split("about ")[1].split()[0]) == pytest.approx(said, abs=4)


@pytest.mark.parametrize("degrees", [-60, 60])
def test_a_face_that_is_turned_away_is_refused(mesher: FaceMesher, degrees: int) -> None:
    """Beyond 45 degrees, to either side."""
    image = scaled(portrait("alan"), 512)
    profile = turned(image, mesher.find(image)[0], degrees)
    with pytest.raises(InvalidInputException, match=r"is turned away by about .* from the front"):
        features(mesher, profile)


def test_small_faces(mesher: FaceMesher) -> None:
    """Below 128 pixels a warning names the size, below 64 the picture is refused."""
    (warning,) = features(mesher, scaled(portrait("ada"), 256)).warnings
    assert "The face is 10" in warning
    assert "128" in warning
    with pytest.raises(InvalidInputException, match="pixels high; at least 64 are needed"):
        features(mesher, scaled(portrait("ada"), 136))


def test_nobody_and_two(mesher: FaceMesher) -> None:
    """There is one face to animate."""
    with pytest.raises(InvalidInputException, match=r"no face was found .*320 x 240"):
        features(mesher, np.full((240, 320, 3), 90, np.uint8))
    ada, alan = scaled(portrait("ada"), 400), scaled(portrait("alan"), 400)
    with pytest.raises(InvalidInputException, match="2 faces were found"):
        features(mesher, on_canvas([(ada, 0, 0), (alan, 400, 0)], 800, 400))


def test_a_face_that_is_cut_off_is_refused(mesher: FaceMesher) -> None:
    """Both eyes and the whole mouth must be in the picture."""
    image = portrait("ada")
    mouth = int(mesher.find(image)[0].mesh[13, 1])
    with pytest.raises(InvalidInputException, match="cut off by the picture's edge"):
        features(mesher, np.ascontiguousarray(image[: mouth + 1]))


def test_a_close_up_is_warned_of(mesher: FaceMesher) -> None:
    """A face is stretched when the square around its head does not fit, and the warning says so."""
    image = portrait("ada")
    left, top, right, bottom = mesher.find(image)[0].box.astype(int)
    close = np.ascontiguousarray(image[top - 10 : bottom + 10, left - 10 : right + 10])
    (warning,) = features(mesher, close).warnings
    assert "outside of the picture" in warning
    assert not any("outside" in said for said in features(mesher, close, Preprocess.RESIZE).warnings)


def test_a_wide_picture_is_squeezed(mesher: FaceMesher) -> None:
    """A whole picture far from square is warned of, with what to do; its crop is not."""
    wide = on_canvas([(scaled(portrait("ada"), 500), 200, 0)], 900, 500)
    (warning,) = features(mesher, wide, Preprocess.RESIZE).warnings
    assert "900 x 500 is squeezed" in warning
    assert features(mesher, wide).warnings == ()


def test_a_doubtful_face_is_warned_of(mesher: FaceMesher) -> None:
    """A face that the finder is not sure of says how sure it is."""
    image = portrait("ada")
    (face,) = mesher.find(image)
    found = make_features(image, [replace(face, score=0.634)], 256, Preprocess.CROP, flat_face3d)
    assert found.confidence == 0.634
    (warning,) = found.warnings
    assert "63% certain" in warning


@pytest.mark.parametrize("size", [0, 128, 300])
def test_other_sizes_are_refused(mesher: FaceMesher, size: int) -> None:
    """Frames have the sizes of the contract."""
    with pytest.raises(InvalidInputException, match=f"size is {size}; it must be one of 256, 512"):
        features(mesher, portrait("ada"), size=size)
