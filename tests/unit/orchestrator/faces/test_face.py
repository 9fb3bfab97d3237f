"""A face behind Triton: windows of speech in, frames out as they are drawn."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import AsyncMock

import numpy as np
import pytest

from lumen import registry
from lumen.aio import once
from lumen.contracts import SAMPLES_PER_FRAME
from lumen.errors import InvalidInputException
from lumen.settings import Settings
from orchestrator.faces import make_face
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import Face, PortraitFeatures
from orchestrator.media.decode_gate import make_gate
from orchestrator.triton.client import Tensors, TritonClient

FEATURES = PortraitFeatures(CropOptions(256), {"crop": np.zeros((256, 256, 3), np.uint8)})


class Renderer(TritonClient):
    """Draws four frames an answer, each full of its index; before ``held_frame`` it waits for ``go_on``."""

    def __init__(self, held_frame: int = -1) -> None:
        super().__init__("127.0.0.1:1", timeout=1.0)
        self.go_on = asyncio.Event()
        self._held_frame = held_frame

    async def stream(
        self,
        model: str,
        inputs: Tensors,
        first_timeout: float | None = None,
        next_timeout: float | None = None,
        probe: Tensors | None = None,
        span_name: str = "stream",
    ) -> AsyncGenerator[dict[str, Any], None]:
        assert probe is not None
        assert probe["n_frames"][0] == 0
        first, count = int(inputs["first_frame"][0]), int(inputs["n_frames"][0])
        for start in range(first, first + count, 4):
            if start <= self._held_frame < start + 4:
                await self.go_on.wait()
            indices = range(start, min(start + 4, first + count))
            yield {"frames": np.stack([np.full((2, 2, 3), index, np.uint8) for index in indices])}


def face_of(triton: TritonClient) -> Face:
    return make_face(registry.face("warp"), triton, AsyncMock(), Settings(), make_gate(Settings()))


async def test_frames_come_in_order_with_their_index_and_time() -> None:
    """Every answer of every window is yielded once, and says which frames of the clip it has."""
    speech = np.zeros(60 * SAMPLES_PER_FRAME, np.float32)
    frames = [each async for each in face_of(Renderer()).animate(FEATURES, once(speech), AnimationOptions(1))]
    pixels = np.concatenate([each.pixels[:, 0, 0, 0] for each in frames])
    assert pixels.tolist() == list(range(60))
    assert [each.first for each in frames] == [int(each.pixels[0, 0, 0, 0]) for each in frames]
    assert frames[1].time == pytest.approx(frames[1].first * 0.04)


async def test_frames_come_before_their_window_is_drawn() -> None:
    """A window that takes minutes gives its first frames at once; the next window is asked for meanwhile."""
    triton = Renderer(held_frame=9)
    speech = np.zeros(60 * SAMPLES_PER_FRAME, np.float32)
    frames = face_of(triton).animate(FEATURES, once(speech), AnimationOptions(1))
    seen = [await asyncio.wait_for(anext(frames), 5) for _ in range(3)]
    assert [each.first for each in seen] == [0, 4, 5]
    waiting = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    assert not waiting.done()
    triton.go_on.set()
    assert (await asyncio.wait_for(waiting, 5)).first == 9
    await frames.aclose()


async def test_a_face_without_options_refuses_them_by_name() -> None:
    """A control of another face is refused with the name of the face that has it."""
    with pytest.raises(InvalidInputException, match=r"still: the face is warp.*serve FACE=sadtalker"):
        registry.options_of(registry.face("warp"), {"still": True})
