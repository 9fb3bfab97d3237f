"""SadTalker's models as Triton serves them: the exported networks, the portrait, the clip, the driver."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from bench.xtts_soak import process_of
from export.sadtalker.audio2exp import Audio2ExpParts
from export.sadtalker.audio2pose import Audio2PoseParts
from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.export import artifacts
from export.sadtalker.face3d import Face3dParts
from export.sadtalker.motion import COLUMNS, MotionParts
from export.sadtalker.network_artifact import TOLERANCE, Parts
from export.sadtalker.networks.generator import FrameRenderer
from export.sadtalker.renderer import RendererNetwork
from export.sadtalker.renderer import inputs as renderer_inputs
from export.sadtalker.source import SourceParts
from lumen.contracts import (
    SADTALKER,
    SADTALKER_AUDIO2EXP,
    SADTALKER_CONTEXT_FRAMES,
    SADTALKER_DRIVER,
    SADTALKER_LOOKAHEAD_FRAMES,
    SADTALKER_PORTRAIT,
    SADTALKER_RENDERER,
    SAMPLES_PER_FRAME,
)
from lumen.errors import ServiceUnavailableException, from_wire
from lumen.triton.server import TritonServer
from orchestrator.triton.client import TritonClient
from tests.support.portraits import portrait, scaled
from tests.support.sadtalker import CODE_MODELS
from tests.support.sadtalker_leaves import babble
from tests.support.triton_server import TritonFactory
from tests.support.triton_statistics import counted, settled
from tests.support.triton_streams import ANSWER_SECONDS, Stream, tensor

pytestmark = pytest.mark.usefixtures("no_gradients")

CLIP_FRAMES = 20
CALLS_IN_FLIGHT = 2
"""Calls of one clip at once, of one frame each, as in sadtalker's config.pbtxt."""

ONE_STEP = 1
"""Most, of 255: frames of another batch are rounded from numbers that differ in their last bits."""


@pytest.fixture(scope="module")
def server(triton: TritonFactory, sadtalker_repository: Path) -> TritonServer:
    return triton(sadtalker_repository, [*(artifact.name for artifact in artifacts()), *CODE_MODELS])


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
    return features(client, portrait("ada"))


@pytest.fixture(scope="module")
def whole(server: TritonServer, ada: grpc.InferResult) -> NDArray[np.uint8]:
    """The clip asked for at once, 0.8 s of it."""
    opened = Stream(server, SADTALKER)
    try:
        opened.ask(**request(ada))
        return opened.frames()
    finally:
        opened.close()


def features(client: grpc.InferenceServerClient, image: NDArray[np.uint8]) -> grpc.InferResult:
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
        "coefficients": who.as_numpy("coefficients"),
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
    coefficients = ada.as_numpy("coefficients")
    assert coefficients.shape == (73,)
    assert np.isfinite(coefficients).all()
    for name in ("box", "face"):
        left, top, right, bottom = ada.as_numpy(name)
        assert 0 <= left < right <= image.shape[1]
        assert 0 <= top < bottom <= image.shape[0]
    assert ada.as_numpy("confidence")[0] > 0.8
    assert ada.as_numpy("warnings").tolist() == []


def test_a_picture_without_a_face_is_refused(client: grpc.InferenceServerClient) -> None:
    """The refusal says what is missing."""
    with pytest.raises(InferenceServerException, match="face"):
        features(client, np.full((300, 300, 3), 90, np.uint8))


def test_a_driving_video_is_followed(client: grpc.InferenceServerClient) -> None:
    """A row for each frame; frames that are alike have rows that are."""
    frames = np.stack([scaled(portrait("ada"), 256)] * 2 + [scaled(portrait("alan"), 256)])
    answer = client.infer(SADTALKER_DRIVER, [tensor("frames", frames)], client_timeout=ANSWER_SECONDS)
    rows = answer.as_numpy("coefficients")
    assert rows.shape == (3, 70)
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-4)
    assert np.abs(rows[0] - rows[2]).max() > 1e-3


def test_networks_equal_torch(
    client: grpc.InferenceServerClient, sadtalker_networks: SadTalkerNetworks
) -> None:
    """Triton's answers to batches of two are what the checkpoint's own networks compute."""
    for parts in small_parts():
        given = parts.inputs(sadtalker_networks, 2)
        results = parts.reference(sadtalker_networks)(*given.values())
        expected = (results,) if isinstance(results, torch.Tensor) else results
        answer = infer(client, parts.name, given)
        for name, array in zip(parts.outputs, expected, strict=True):
            close = TOLERANCE * float(array.abs().max())
            np.testing.assert_allclose(answer.as_numpy(name), array.numpy(), rtol=0, atol=close)
    given = renderer_inputs(sadtalker_networks, 2, 2)
    frames = RendererNetwork(FrameRenderer(sadtalker_networks.generator))(*given.values())
    got = infer(client, SADTALKER_RENDERER, given).as_numpy("frames")
    assert steps_apart(got, frames.numpy()) <= ONE_STEP


def test_windows_join_without_a_seam(stream: Stream, ada: grpc.InferResult, whole: NDArray[np.uint8]) -> None:
    """Every frame of a clip, in order, and the same in whatever window it is asked for."""
    assert whole.shape == (CLIP_FRAMES, 256, 256, 3)
    assert len({frame.tobytes() for frame in whole}) == CLIP_FRAMES
    for first, n_frames in ((0, 1), (11, 3), (18, 2)):
        stream.ask(**request(ada, first, n_frames))
        assert steps_apart(stream.frames(), whole[first : first + n_frames]) <= ONE_STEP


def test_clips_share_the_renderer(
    server: TritonServer, client: grpc.InferenceServerClient, ada: grpc.InferResult, whole: NDArray[np.uint8]
) -> None:
    """Two clips at once: one batch holds the frames that both have on the way, and each gets its own."""
    alan = features(client, portrait("alan"))
    streams = [Stream(server, SADTALKER) for _ in range(2)]
    n = CALLS_IN_FLIGHT
    try:
        streams[1].ask(**request(alan, 0, n))
        alone = streams[1].frames()
        with waiting_for(client, 2 * n):
            for one, who in zip(streams, (ada, alan), strict=True):
                one.ask(**request(who, 0, n))
            together = [one.frames() for one in streams]
            batches = counted(client, SADTALKER_RENDERER, 2 * n).batch_stats
            assert [int(each.batch_size) for each in batches] == [2 * n]
    finally:
        for one in streams:
            one.close()
    assert steps_apart(together[0], whole[:n]) <= ONE_STEP
    assert steps_apart(together[1], alone) <= ONE_STEP
    assert steps_apart(alone, whole[:n]) > ONE_STEP


def test_cancelled_clip_stops(
    server: TritonServer, client: grpc.InferenceServerClient, stream: Stream, ada: grpc.InferResult
) -> None:
    """Once a client has left, the renderer draws for the others alone."""
    start = settled(client, SADTALKER_RENDERER)
    leaving = Stream(server, SADTALKER)
    leaving.ask(**request(ada, 0, 200, clip_frames=300))
    next(leaving.until_final())
    leaving.close(cancel=True)
    stream.ask(**request(ada, 0, 1))
    assert len(stream.frames()) == 1  # served after what the other one had on the way
    before = settled(client, SADTALKER_RENDERER)
    assert before - start < 40
    stream.ask(**request(ada, 0, 2))
    assert len(stream.frames()) == 2
    assert settled(client, SADTALKER_RENDERER) == before + 2


def test_clip_ends_when_the_renderer_goes(
    client: grpc.InferenceServerClient, stream: Stream, ada: grpc.InferResult
) -> None:
    """The stream ends and says that it may be tried again; with the renderer back, it can be."""
    stream.ask(**request(ada, 0, 200, clip_frames=300))
    answers = stream.until_final()
    assert isinstance(next(answers), np.ndarray)
    client.unload_model(SADTALKER_RENDERER)
    *_, last = answers
    assert isinstance(last, InferenceServerException)
    assert isinstance(from_wire(str(last.message())), ServiceUnavailableException)
    client.load_model(SADTALKER_RENDERER)
    stream.ask(**request(ada, 0, 1))
    assert len(stream.frames()) == 1


async def test_a_network_whose_process_dies_is_loaded_anew(
    server: TritonServer, ada: grpc.InferResult
) -> None:
    """The clip that meets it is refused by its name; from then on it counts as not loaded."""
    client = TritonClient(server.grpc_url, ANSWER_SECONDS)

    async def draw() -> int:
        return sum([len(answer["frames"]) async for answer in client.stream(SADTALKER, request(ada, 0, 2))])

    try:
        assert await draw() == 2
        process = process_of(SADTALKER_AUDIO2EXP, server.prefix)
        os.kill(int(process.name), signal.SIGKILL)
        with pytest.raises(ServiceUnavailableException, match="'sadtalker_audio2exp' has stopped"):
            await draw()
        assert not await client.is_model_ready(SADTALKER_AUDIO2EXP)
        await client.load(SADTALKER_AUDIO2EXP, ANSWER_SECONDS)
        assert await draw() == 2
    finally:
        await client.close()


def small_parts() -> list[Parts]:
    """All networks but the renderer."""
    motion = [MotionParts(name) for name in COLUMNS]
    return [Face3dParts(), SourceParts(), Audio2ExpParts(), Audio2PoseParts(), *motion]


def infer(
    client: grpc.InferenceServerClient, model: str, given: Mapping[str, torch.Tensor]
) -> grpc.InferResult:
    inputs = [tensor(name, value.numpy()) for name, value in given.items()]
    return client.infer(model, inputs, client_timeout=ANSWER_SECONDS)


@contextmanager
def waiting_for(client: grpc.InferenceServerClient, rows: int) -> Iterator[None]:
    """The renderer waits until a batch has so many rows, so that no race decides what shares it."""
    config = client.get_model_config(SADTALKER_RENDERER, as_json=True)["config"]
    batching = config["dynamic_batching"] | {
        "preferred_batch_size": [rows],
        "max_queue_delay_microseconds": int(1_000_000 * ANSWER_SECONDS),
    }
    client.load_model(SADTALKER_RENDERER, config=json.dumps(config | {"dynamic_batching": batching}))
    try:
        yield
    finally:
        client.load_model(SADTALKER_RENDERER, config=json.dumps(config))


def steps_apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())
