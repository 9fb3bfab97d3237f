"""A trace of one clip: from its caller through the API into Triton, and on from model to model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from lumen.contracts import WARP, WARP_RENDERER, XTTS, XTTS_GPT, XTTS_VOCODER
from lumen.settings import Settings
from lumen.triton.serve import models_of
from lumen.triton.server import TritonServer, private_options
from lumen.triton.trace import PARAMETER
from tests.support.api_server import Serve
from tests.support.otlp import Collector, collector
from tests.support.paths import ROOT
from tests.support.triton_streams import tensor
from tests.support.waiting import wait_until
from tests.support.xtts import WIDTH

TRACE = "ab" * 16
FULL = "/api/generate/full"
SPANS = {"write", "speak", "sentence", "encode portrait", "infer", "window", "encode", "publish"}


@pytest.fixture
def traced(tmp_path: Path) -> TritonServer:
    return TritonServer(private_options(ROOT / "model_repository", models_of(Settings()), tmp_path / "log"))


def test_a_clip_is_one_tree(serve_with: Serve, traced: TritonServer) -> None:
    """API, window, `warp`, `warp_renderer` lie below each other; who sends no header is traced as well."""
    with collector() as found:
        traced.options = replace(traced.options, traces_endpoint=found.url)
        with traced:
            traced.wait_ready()
            api = serve_with(
                triton_url=traced.grpc_url,
                voice="hibari",
                assets_path=ROOT / "assets",
                traces_endpoint=found.url,
            )
            headers = {"traceparent": f"00-{TRACE}-{'cd' * 8}-01"}
            answer = api.client.post(FULL, json={"prompt": "Hello there."}, headers=headers)
            assert answer.status_code == 200, answer.text
            wait_until(lambda: mine(found) >= SPANS and {WARP, WARP_RENDERER} <= mine(found))
            wait_until(lambda: "POST " + FULL in mine(found))
        drawn = paths(found, WARP_RENDERER)
        assert drawn
        for path in drawn:
            assert path[:2] == ["?", f"POST {FULL}"]  # the caller's own span is not sent here
            assert path[2] == "window"
            assert path.index(WARP) < path.index(WARP_RENDERER)
        assert all("encode portrait" in path for path in paths(found, "face_landmarks"))


@pytest.mark.heavy
def test_a_sentence_of_xtts_is_one_tree(xtts_repository: Path, tmp_path: Path) -> None:
    """Below `xtts` are the calls for the GPT's chunks and for windows, made in threads of their own."""
    with collector() as found:
        options = private_options(xtts_repository, (XTTS_GPT, XTTS_VOCODER, XTTS), tmp_path / "log")
        with TritonServer(replace(options, traces_endpoint=found.url)) as server:
            server.wait_ready()
            with InferenceServerClient(server.grpc_url) as client:
                client.start_stream(lambda result, error: None)
                place = {PARAMETER: f"00-{TRACE}-{'cd' * 8}-01"}
                client.async_stream_infer(XTTS, sentence(), parameters=place)
                wait_until(lambda: XTTS in mine(found), 60)
                client.stop_stream()
    for model in (XTTS_GPT, XTTS_VOCODER):
        assert paths(found, model)
        assert all(path == ["?", XTTS, model] for path in paths(found, model))


def sentence() -> list[InferInput]:
    tensors = {
        "text": np.array([b"Hello."], np.object_),
        "language": np.array([b"en"], np.object_),
        "gpt_cond_latent": np.ones((32, WIDTH), np.float32),
        "speaker_embedding": np.ones(512, np.float32),
    }
    return [tensor(name, value) for name, value in tensors.items()]


def mine(found: Collector) -> set[str]:
    """Names of the spans in the caller's trace."""
    return {span.name for span in found.spans if span.trace == TRACE}


def paths(found: Collector, name: str) -> list[list[str]]:
    return [found.path(span) for span in found.named(name)]
