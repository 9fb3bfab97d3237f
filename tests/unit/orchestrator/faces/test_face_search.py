"""Faces in pictures as people send them, with the real face networks: small, lying on their side, or both."""

import asyncio
import io
from unittest.mock import AsyncMock

import numpy as np
import pytest
from PIL import Image

from lumen import registry
from lumen.contracts import FACE_LANDMARKS
from lumen.errors import InvalidInputException
from lumen.families.portrait.face_mesh import FaceMesher, stack_faces
from lumen.families.portrait.portrait import make_portrait
from lumen.families.sadtalker.crop import Box, Preprocess
from lumen.settings import Settings
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.face import Pixels, PortraitFeatures
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.portraits import ImageDecoder
from orchestrator.faces.triton_face import TritonFace
from orchestrator.media.decode_gate import make_gate
from orchestrator.triton.client import Tensors, TritonClient
from tests.support.portraits import on_canvas, portrait, scaled

pytestmark = pytest.mark.slow

GATE = make_gate(Settings())
CROP = CropOptions(256)
FULL = CropOptions(256, Preprocess.FULL.value)


class LocalTriton(TritonClient):
    """Answers for ``face_landmarks`` in this process."""

    def __init__(self, mesher: FaceMesher) -> None:
        self.mesher = mesher
        self.searches: list[tuple[int, ...]] = []

    async def infer(self, model: str, inputs: Tensors, timeout: float | None = None) -> Tensors:
        assert model == FACE_LANDMARKS
        self.searches.append(inputs["image"].shape)
        boxes, scores, mesh, depth = stack_faces(self.mesher.find(inputs["image"]))
        return {"boxes": boxes, "scores": scores, "mesh": mesh, "depth": depth}


class LocalFace(TritonFace):
    """Crops in this process as ``warp_portrait`` does, and says where the face was."""

    def __init__(self, triton: LocalTriton) -> None:
        super().__init__(registry.face("warp"), triton, AsyncMock(), Settings(), GATE)
        self.mesher = triton.mesher
        self.seen: list[tuple[int, ...]] = []

    async def encode_portrait(self, image: Pixels, crop_options: CropOptions) -> PortraitFeatures:
        self.seen.append(image.shape)
        faces = self.mesher.find(image)
        made = make_portrait(image, faces, crop_options.size)
        box = Box(*(int(side) for side in faces[0].box))
        return PortraitFeatures(crop_options, {"crop": made.crop}, face=box)


@pytest.fixture
def triton(mesher: FaceMesher) -> LocalTriton:
    return LocalTriton(mesher)


@pytest.fixture
def face(triton: LocalTriton) -> LocalFace:
    return LocalFace(triton)


def png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def encode(
    face: LocalFace, triton: LocalTriton, pixels: Pixels, crop_options: CropOptions = CROP
) -> PortraitFeatures:
    decoder = ImageDecoder(make_gate(Settings()), 64_000_000)

    async def run() -> PortraitFeatures:
        return await encode_face(face, triton, await decoder.decode(png(pixels)), crop_options)

    return asyncio.run(run())


def test_a_small_face_is_cut_out_of_the_original(face: LocalFace, triton: LocalTriton) -> None:
    """A face of 100 pixels in 10 megapixels is as sharp as the caller's picture has it."""
    small = scaled(portrait("ada"), 250)
    features = encode(face, triton, on_canvas([(small, 2_400, 1_500)], 3_600, 2_700))
    alone = encode(face, triton, small)
    assert face.seen[0][0] < 600
    assert features.face is not None
    assert alone.face is not None
    for side in ("left", "right"):
        assert getattr(features.face, side) == pytest.approx(getattr(alone.face, side) + 2_400, abs=6)
    for side in ("top", "bottom"):
        assert getattr(features.face, side) == pytest.approx(getattr(alone.face, side) + 1_500, abs=6)
    assert features.warnings == ()


def test_a_large_face_is_taken_from_the_small_copy(face: LocalFace, triton: LocalTriton) -> None:
    """A second decoding would show nothing more."""
    encode(face, triton, scaled(portrait("ada"), 3_000))
    assert face.seen == [(2_048, 2_048, 3)]


def test_the_whole_picture_stays_whole(face: LocalFace, triton: LocalTriton) -> None:
    """A picture into which frames are put back is not cut."""
    small = scaled(portrait("ada"), 500)
    encode(face, triton, on_canvas([(small, 2_400, 1_500)], 3_600, 2_700), FULL)
    assert face.seen == [(1_536, 2_048, 3)]


def test_messages_count_the_callers_pixels(face: LocalFace, triton: LocalTriton) -> None:
    """A face that is too small is said to be as small as it is in the picture that came."""
    small = scaled(portrait("ada"), 130)
    alone = max(face.mesher.find(scaled(portrait("ada"), 520))[0].side / 4, 1)
    with pytest.raises(InvalidInputException, match=r"is (\d+) pixels high; at least 64") as refused:
        encode(face, triton, on_canvas([(small, 700, 600)], 2_600, 1_900))
    said = int(refused.value.message.split("is ")[1].split()[0])
    assert said == pytest.approx(alone, abs=5)


def test_a_picture_without_a_face_keeps_its_size_in_the_message(face: LocalFace, triton: LocalTriton) -> None:
    """The message names the width and height of the file, not those of the copy that was searched."""
    with pytest.raises(InvalidInputException, match=r"no face was found .*3000 x 2200 pixels"):
        encode(face, triton, np.full((2_200, 3_000, 3), 128, np.uint8))


@pytest.mark.parametrize("name", ["ada", "alan"])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_that_is_not_upright_is_turned(
    face: LocalFace, triton: LocalTriton, name: str, quarters: int
) -> None:
    """The face says which way is up, where the file does not; the caller is told."""
    upright = encode(face, triton, portrait(name))
    features = encode(face, triton, np.ascontiguousarray(np.rot90(portrait(name), quarters)))
    assert len(features.warnings) == 1
    assert f"turned by {360 - 90 * quarters} degrees" in features.warnings[0]
    gap = features.tensors["crop"].astype(int) - upright.tensors["crop"]
    assert np.abs(gap).mean() < 4


def test_a_small_face_on_its_side(face: LocalFace, triton: LocalTriton) -> None:
    """Both at once: the picture is turned, and the face cut out of the original."""
    small = scaled(portrait("ada"), 700)
    lying = np.ascontiguousarray(np.rot90(on_canvas([(small, 1_200, 800)], 3_000, 2_300)))
    features = encode(face, triton, lying)
    assert "turned by 270 degrees" in features.warnings[0]
    assert features.face is not None
    assert features.face.left > 1_200
    assert features.face.bottom < 1_500


def test_two_faces_are_refused_as_they_were_sent(face: LocalFace, triton: LocalTriton) -> None:
    """A refusal of an upright picture speaks of it as it was sent, not as it was turned."""
    two = on_canvas([(scaled(portrait("ada"), 400), 0, 0), (scaled(portrait("alan"), 400), 400, 0)], 800, 400)
    with pytest.raises(InvalidInputException, match="2 faces were found"):
        encode(face, triton, two)
