"""Frames of a window, answer by answer."""

import numpy as np

from lumen.aio import Stream
from orchestrator.faces.face import gathered_frames
from orchestrator.triton.client import Tensors


async def test_frames_are_seen_when_they_come() -> None:
    """A window that takes minutes shows progress with every answer, and comes whole."""
    seen: list[int] = []

    async def answers() -> Stream[Tensors]:
        for n in (1, 2, 3):
            yield {"frames": np.full((n, 4, 4, 3), n, np.uint8)}
            assert len(seen) == n

    whole = await gathered_frames(answers(), lambda frames: seen.append(len(frames)))
    assert seen == [1, 2, 3]
    assert whole[:, 0, 0, 0].tolist() == [1, 2, 2, 3, 3, 3]
