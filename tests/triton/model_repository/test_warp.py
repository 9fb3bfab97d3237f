"""warp and warp_renderer as Triton serves them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

from lumen.contracts import MOUTH, SAMPLES_PER_FRAME, WARP, WARP_CONTEXT_FRAMES, WARP_RENDERER
from lumen.errors import InvalidInputException, from_wire
from lumen.families.portrait.portrait import Portrait
from lumen.families.warp.clip import BATCH_FRAMES, CALLS_IN_FLIGHT
from lumen.families.warp.motion import animate
from lumen.triton.server import TritonServer
from lumen.visemes.curves import PRESS
from tests.support.paths import ROOT
from tests.support.served_mouth import animated
from tests.support.speech import babble
from tests.support.triton_server import TritonFactory
from tests.support.triton_statistics import counted, settled
from tests.support.triton_streams import Stream, tensor
from tests.support.warp_scenes import bundled, motion, render, report

ATTEMPTS = 10
"""Tries to have clips drawn together."""


@pytest.fixture(scope="module")
def server(triton: TritonFactory) -> TritonServer:
    return triton(ROOT / "model_repository", (MOUTH, WARP_RENDERER, WARP))


@pytest.fixture
def client(server: TritonServer) -> Iterator[grpc.InferenceServerClient]:
    with grpc.InferenceServerClient(server.grpc_url) as client:
        yield client


@pytest.fixture
def stream(server: TritonServer) -> Iterator[Stream]:
    opened = Stream(server, WARP)
    yield opened
    opened.close()


def request(who: Portrait, **changes: Any) -> dict[str, Any]:
    """Tensors of a request: a second of speech, or what ``changes`` says."""
    asked = {"pcm": babble(1), "pcm_start": 0, "first_frame": 0, "n_frames": 25, "seed": 1} | changes
    kinds = {"pcm": "f4", "pcm_start": "i8", "first_frame": "i8", "n_frames": "i4", "seed": "i8"}
    numbers = {name: np.atleast_1d(np.asarray(asked.pop(name), kind)) for name, kind in kinds.items()}
    return numbers | {"crop": who.crop, "mesh": who.mesh} | asked


@pytest.mark.parametrize("size", [256, 512])
def test_renderer_equals_the_graph(client: grpc.InferenceServerClient, size: int) -> None:
    """Triton's answer is what the graph computes in process."""
    who, rows = bundled("ada", size), motion({"OPEN": 0.7}, {"YAW": 0.1})
    inputs = {"crop": np.stack([who.crop] * 2), "mesh": np.stack([who.mesh] * 2), "motion": rows}
    answer = client.infer(WARP_RENDERER, [tensor(*item) for item in inputs.items()], client_timeout=60)
    np.testing.assert_array_equal(answer.as_numpy("frame"), render(who, rows))


def test_clip_equals_the_engine(stream: Stream) -> None:
    """All frames, in order, a few per response, as motion and graph make them in process."""
    who, pcm = bundled("alan"), babble(1)
    stream.ask(**request(who, pcm=pcm))
    parts = list(stream.until_final())
    assert all(isinstance(part, np.ndarray) and len(part) <= 8 for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), render(who, animated(pcm, 0, 0, 25, 1)))


def test_windows_join_without_a_seam(stream: Stream) -> None:
    """A clip asked for in two windows is the clip asked for at once."""
    who, pcm = bundled("ada"), babble(4)
    stream.ask(**request(who, pcm=pcm, first_frame=60, n_frames=20))
    whole = stream.frames()
    for first in (60, 70):
        start = (first - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME
        stream.ask(**request(who, pcm=pcm[start:], pcm_start=start, first_frame=first, n_frames=10))
        np.testing.assert_array_equal(stream.frames(), whole[first - 60 : first - 50])


def test_a_given_mouth_is_drawn(stream: Stream, client: grpc.InferenceServerClient) -> None:
    """Curves of known phonemes go to the renderer as they are, and the network is not asked."""
    who, pcm, mouth = bundled("ada"), babble(1), np.zeros((25, 6), np.float32)
    mouth[:, PRESS] = np.linspace(0, 1, 25)
    before = settled(client, MOUTH)
    stream.ask(**request(who, pcm=pcm, mouth=mouth))
    np.testing.assert_array_equal(stream.frames(), render(who, animate(pcm, 0, 0, 25, 1, mouth)))
    assert settled(client, MOUTH) == before


def test_clips_share_the_renderer(server: TritonServer, client: grpc.InferenceServerClient) -> None:
    """Eight clips at once: everyone gets their own frames, and batches are joined across clips."""
    people = [bundled("ada"), bundled("alan")] * 4
    streams = [Stream(server, WARP) for _ in people]
    joined = False
    try:
        # On a machine that stands still for a moment, clips may be drawn one after the other.
        for _ in range(ATTEMPTS):
            before = counted(client, WARP_RENDERER)
            for index, (one, who) in enumerate(zip(streams, people, strict=True)):
                one.ask(**request(who, pcm=babble(1, index), seed=index))
            for index, (one, who) in enumerate(zip(streams, people, strict=True)):
                expected = render(who, animated(babble(1, index), 0, 0, 25, index))
                np.testing.assert_array_equal(one.frames(), expected)
            after = counted(client, WARP_RENDERER, before.inference_count + 8 * 25)
            frames = after.inference_count - before.inference_count
            runs = after.execution_count - before.execution_count
            report(f"{frames} frames in {runs} runs: {frames / runs:.1f} per run")
            assert frames == 8 * 25
            if joined := joined_runs(after) > joined_runs(before):
                break
    finally:
        for one in streams:
            one.close()
    assert joined


def joined_runs(statistics: Any) -> int:
    """Count the runs with more frames than one clip asks for at once."""
    own = BATCH_FRAMES * CALLS_IN_FLIGHT
    return sum(run.compute_infer.count for run in statistics.batch_stats if run.batch_size > own)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": np.zeros((300, 300, 3), np.uint8)}, "crop is uint8"),
        ({"mesh": np.full((468, 3), np.nan, np.float32)}, "mesh has points"),
        ({"pcm": np.array([np.nan])}, "pcm has samples"),
        ({"mouth": np.zeros((3, 6), np.float32)}, "mouth has shape [3, 6]"),
        ({"n_frames": -1}, "n_frames is -1"),
        ({"n_frames": 2**31 - 1}, "n_frames is 2147483647"),
        ({"first_frame": -5}, "first_frame is -5"),
    ],
)
def test_bad_requests_are_refused_alone(stream: Stream, changes: dict[str, Any], message: str) -> None:
    """The error names what came, the stream ends, and the next request is served."""
    stream.ask(**request(bundled("ada"), **changes))
    (answer,) = stream.until_final()
    assert isinstance(answer, InferenceServerException)
    error = from_wire(str(answer.message()))
    assert isinstance(error, InvalidInputException)
    assert message in error.message
    stream.ask(**request(bundled("ada"), n_frames=3))
    assert len(stream.frames()) == 3


def test_cancelled_clip_stops(server: TritonServer, client: grpc.InferenceServerClient) -> None:
    """A client that leaves a long clip after its first frames stops the rendering."""
    before = counted(client, WARP_RENDERER).inference_count
    leaving = Stream(server, WARP)
    leaving.ask(**request(bundled("ada"), n_frames=2000))
    next(leaving.until_final())
    leaving.close(cancel=True)
    assert settled(client, WARP_RENDERER) - before < 400
