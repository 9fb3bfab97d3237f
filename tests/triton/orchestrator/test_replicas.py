"""Several Tritons behind one address: one of them dies hard in the middle of clips, and nobody notices."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from lumen.client import PROGRESS_HEADER
from lumen.contracts import WARP
from tests.support.api_server import Api, Serve
from tests.support.paths import ROOT
from tests.support.replicas import address_of, kill_hard, replicas, stall
from tests.support.waiting import wait_until, wait_until_still

FULL = "/api/generate/full"
PROMPT = (
    "The quick brown fox jumps over the lazy dog, and nobody minds. Every morning the baker opens his shop "
    "at six. Children run to school; an old man feeds the birds by the river."
)
CLIP_SECONDS = 120.0
DRAWN = 12
"""Frames of each clip that are drawn when the server stalls: in the middle of the second window."""


def clip(api: Api, seed: int, key: str) -> NDArray[np.uint8]:
    """Frames of a clip, uint8 [n, H, W, 3], as they are in its file."""
    body: dict[str, Any] = {"prompt": PROMPT, "seed": seed, "language": "en"}
    answer = httpx.post(api.url + FULL, json=body, headers={PROGRESS_HEADER: key}, timeout=CLIP_SECONDS)
    assert answer.status_code == httpx.codes.OK, answer.text
    path = api.settings.outputs_path / Path(answer.json()["video_url"]).relative_to("/outputs")
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def keys_of(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def frames_drawn(api: Api, key: str) -> int:
    return int(api.client.get(f"/api/generate/progress/{key}").json().get("frames", 0))


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.heavy)])
def test_a_triton_dies_in_the_middle_of_clips(serve_with: Serve, tmp_path: Path, count: int) -> None:
    """kill -9 of one of two: no clip fails, and each picture is the one of a run in which nobody dies."""
    with replicas(tmp_path) as servers:
        api = serve_with(
            triton_url=address_of(servers),
            voice="hibari",
            assets_path=ROOT / "assets",
            max_concurrent_clips=count,
            triton_timeout=CLIP_SECONDS,
        )
        undisturbed = clip(api, 0, keys_of(1)[0])
        keys = keys_of(count)
        with ThreadPoolExecutor(count) as pool:
            clips = [pool.submit(clip, api, 0, key) for key in keys]
            wait_until(lambda: all(frames_drawn(api, key) >= DRAWN for key in keys), CLIP_SECONDS)
            stall(servers[1], WARP)  # else it may have nothing under way when it dies
            wait_until_still(lambda: [frames_drawn(api, key) for key in keys], CLIP_SECONDS)
            kill_hard(servers[1])
            made = [each.result() for each in clips]
        for frames in made:
            assert frames.shape == undisturbed.shape
            assert (frames == undisturbed).all()
        assert not servers[1].running
        retried = api.services.metrics.registry.get_sample_value
        assert retried("lumen_triton_retries_total", {"model": WARP}), "nobody noticed: it died too late"
