"""face_landmarks and warp_portrait as Triton serves them."""

from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from lumen.contracts import FACE_LANDMARKS, WARP_PORTRAIT
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.landmarks68 import landmarks_of
from lumen.families.portrait.portrait import make_portrait
from tests.support.paths import ROOT
from tests.support.portraits import Pixels, on_canvas, portrait, scaled
from tests.support.triton_server import TritonFactory

SHAPES = {"boxes": (0, 4), "scores": (0,), "landmarks": (0, 68, 2), "mesh": (0, 468, 2), "depth": (0, 468)}
"""Shapes of an answer without faces."""


@pytest.fixture(scope="module")
def client(triton: TritonFactory) -> Iterator[grpc.InferenceServerClient]:
    server = triton(ROOT / "model_repository", (FACE_LANDMARKS, WARP_PORTRAIT))
    with grpc.InferenceServerClient(server.grpc_url) as client:
        yield client


def tensor(name: str, value: NDArray[np.generic], kind: str) -> grpc.InferInput:
    given = grpc.InferInput(name, value.shape, kind)
    given.set_data_from_numpy(value)
    return given


def landmarks(client: grpc.InferenceServerClient, image: Pixels) -> grpc.InferResult:
    return client.infer(FACE_LANDMARKS, [tensor("image", image, "UINT8")], client_timeout=30)


def crop(client: grpc.InferenceServerClient, image: Pixels, size: int = 256) -> grpc.InferResult:
    inputs = [tensor("image", image, "UINT8"), tensor("size", np.array([size], np.int32), "INT32")]
    return client.infer(WARP_PORTRAIT, inputs, client_timeout=30)


def test_landmarks_equal_the_engine(client: grpc.InferenceServerClient) -> None:
    """Two people in one picture: every tensor is what the engine finds."""
    image = on_canvas([(portrait("ada"), 0, 0), (scaled(portrait("alan"), 600), 780, 100)], 1400, 768)
    answer, faces = landmarks(client, image), FaceMesher().find(image)
    np.testing.assert_allclose(answer.as_numpy("boxes"), [f.box for f in faces], atol=1e-3)
    np.testing.assert_allclose(answer.as_numpy("scores"), [f.score for f in faces], atol=1e-5)
    np.testing.assert_allclose(answer.as_numpy("mesh"), [f.mesh for f in faces], atol=1e-3)
    np.testing.assert_allclose(answer.as_numpy("depth"), [f.depth for f in faces], atol=1e-3)
    np.testing.assert_allclose(answer.as_numpy("landmarks"), [landmarks_of(f.mesh) for f in faces], atol=1e-3)


def test_no_face_is_an_answer_of_landmarks(client: grpc.InferenceServerClient) -> None:
    """Empty tensors of the right shape, not an error."""
    answer = landmarks(client, np.full((200, 300, 3), 90, np.uint8))
    shapes = {name: answer.as_numpy(name).shape for name in SHAPES}
    assert shapes == SHAPES


@pytest.mark.parametrize("size", [256, 512])
def test_portrait_equals_the_engine(client: grpc.InferenceServerClient, size: int) -> None:
    """The crop and the mesh that the engine makes, through the other model's faces."""
    image = portrait("alan")
    answer, expected = crop(client, image, size), make_portrait(image, FaceMesher().find(image), size)
    np.testing.assert_array_equal(answer.as_numpy("crop"), expected.crop)
    np.testing.assert_allclose(answer.as_numpy("mesh"), expected.mesh, atol=1e-5)


@pytest.mark.parametrize(
    ("image", "size", "message"),
    [
        (np.full((200, 300, 3), 90, np.uint8), 256, "no face was found"),
        (np.concatenate([portrait("ada"), portrait("alan")], axis=1), 256, "2 faces were found"),
        (
            on_canvas([(scaled(portrait("ada"), 110), 60, 60)], 240, 240),
            256,
            "pixels high; at least 64 are needed",
        ),
        (portrait("ada"), 300, "size is 300"),
    ],
)
def test_bad_pictures_are_the_callers_fault(
    client: grpc.InferenceServerClient, image: Pixels, size: int, message: str
) -> None:
    """INVALID_ARG with the reason, no traceback; the next request is served."""
    with pytest.raises(InferenceServerException, match=message) as refusal:
        crop(client, image, size)
    assert refusal.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "Traceback" not in refusal.value.message()
    assert crop(client, portrait("ada")).as_numpy("crop").shape == (256, 256, 3)
