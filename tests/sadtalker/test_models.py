"""SadTalker's models as Triton serves them: the exported networks, the portrait, the clip, the driver."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from export.sadtalker.export import artefacts
from lumen.contracts import (
    SADTALKER,
    SADTALKER_CONTEXT_FRAMES,
    SADTALKER_LOOKAHEAD_FRAMES,
    SADTALKER_PORTRAIT,
    SAMPLES_PER_FRAME,
)
from lumen.triton.server import TritonServer
from tests.conftest import TritonFactory
from tests.portrait.scenes import portrait
from tests.sadtalker.conftest import CODE_MODELS
from tests.sadtalker.leaves import babble
from tests.streams import ANSWER_SECONDS, Stream, tensor

pytestmark = pytest.mark.triton

CLIP_FRAMES = 30
ONE_STEP = 1
"""Of 255: frames of another batch are rounded from numbers that differ in their last bits."""


@pytest.fixture(scope="module")
def server(triton: TritonFactory, tiny_repository: Path) -> TritonServer:
    return triton(tiny_repository, [*(artefact.name for artefact in artefacts()), *CODE_MODELS])


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[grpc.InferenceServerClient]:
    with grpc.InferenceServerClient(server.grpc_url) as client:
        yield client


@pytest.fixture
def stream(server: TritonServer) -> Iterator[Stream]:
    opened = Stream(server, SADTALKER)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def ada(client: grpc.InferenceServerClient) -> grpc.InferResult:
    return likeness(client, portrait("ada"))


def likeness(client: grpc.InferenceServerClient, image: NDArray[np.uint8]) -> grpc.InferResult:
    inputs = [
        tensor("image", image),
        tensor("size", np.array([256], np.int32)),
        tensor("preprocess", np.array([b"crop"], np.object_)),
    ]
    return client.infer(SADTALKER_PORTRAIT, inputs, client_timeout=ANSWER_SECONDS)


def request(
    who: grpc.InferResult, first: int = 0, n_frames: int = CLIP_FRAMES, **changes: Any
) -> dict[str, Any]:
    """Tensors of a window of a clip of ``CLIP_FRAMES``, with no more audio than it hears."""
    asked = {"clip_frames": CLIP_FRAMES, "seed": 1} | changes
    start = max(first - SADTALKER_CONTEXT_FRAMES, 0) * SAMPLES_PER_FRAME
    end = min(first + n_frames + SADTALKER_LOOKAHEAD_FRAMES, asked["clip_frames"]) * SAMPLES_PER_FRAME
    return {
        "crop": who.as_numpy("crop"),
        "row": who.as_numpy("row"),
        "preprocess": np.array([b"crop"], np.object_),
        "pcm": babble(asked["clip_frames"], asked["seed"])[start:end],
        "pcm_start": np.array([start]),
        "first_frame": np.array([first]),
        "n_frames": np.array([n_frames], np.int32),
        **{name: np.array([value]) for name, value in asked.items()},
    }


def test_portrait_is_cut_out_and_measured(ada: grpc.InferResult) -> None:
    """The bundled portrait: everything that a clip needs of it, and nothing to complain of."""
    image = portrait("ada")
    assert ada.as_numpy("crop").shape == (256, 256, 3)
    row = ada.as_numpy("row")
    assert row.shape == (73,)
    assert np.isfinite(row).all()
    for name in ("box", "face"):
        left, top, right, bottom = ada.as_numpy(name)
        assert 0 <= left < right <= image.shape[1]
        assert 0 <= top < bottom <= image.shape[0]
    assert ada.as_numpy("confidence")[0] > 0.8
    assert ada.as_numpy("warnings").tolist() == []


def test_a_picture_without_a_face_is_refused(client: grpc.InferenceServerClient) -> None:
    """The refusal says what is missing."""
    with pytest.raises(InferenceServerException, match="face"):
        likeness(client, np.full((300, 300, 3), 90, np.uint8))


def test_windows_join_without_a_seam(stream: Stream, ada: grpc.InferResult) -> None:
    """Every frame of a clip, in order, however the clip is cut into requests."""
    stream.ask(**request(ada))
    whole = stream.frames()
    assert whole.shape == (CLIP_FRAMES, 256, 256, 3)
    assert len({frame.tobytes() for frame in whole}) == CLIP_FRAMES
    for cuts in ((0, 7, 30), (0, 1, 18, 30)):
        parts = []
        for first, end in zip(cuts[:-1], cuts[1:], strict=True):
            stream.ask(**request(ada, first, end - first))
            parts.append(stream.frames())
        assert steps_apart(np.concatenate(parts), whole) <= ONE_STEP


def steps_apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())
