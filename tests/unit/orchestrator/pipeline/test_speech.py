"""The limit of a clip's speech, and the head start that its face gets."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from lumen.errors import InvalidInputException
from orchestrator.pipeline.speech import DurationLimit, with_head_start


def test_the_meter_refuses_too_much() -> None:
    """Speech over the limit is refused while it is being made."""
    duration_limit = DurationLimit(10, 2.0)
    duration_limit.add(np.zeros(20, np.float32))
    assert duration_limit.seconds == 2.0
    with pytest.raises(InvalidInputException, match="over 2 s"):
        duration_limit.add(np.zeros(1, np.float32))


RATE = 100
ENOUGH = 60
"""Samples of the head start."""


class Voice:
    """Speaks three pieces of half a second; ``asked`` counts those that were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    async def speak(self) -> AsyncIterator[np.ndarray]:
        for _ in range(3):
            self.asked += 1
            yield np.full(RATE // 2, self.asked, np.float32)


def test_a_voice_waits_for_the_first_frame() -> None:
    """Two pieces are a head start; the third is asked for when the first frame is there, and none is lost."""

    async def run() -> None:
        voice, first_frame = Voice(), asyncio.Event()
        speech = with_head_start(voice.speak(), ENOUGH, first_frame)
        heard = [await anext(speech), await anext(speech)]
        third = asyncio.ensure_future(anext(speech))
        await asyncio.sleep(0)
        assert voice.asked == 2
        first_frame.set()
        heard.append(await third)
        assert [int(piece[0]) for piece in heard] == [1, 2, 3]
        assert [piece async for piece in speech] == []

    asyncio.run(run())


def test_a_voice_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face that draws nothing, because it needs more sound, gets it."""
    monkeypatch.setattr("orchestrator.pipeline.speech.HEAD_START_WAIT", 0.01)

    async def run() -> int:
        return len([piece async for piece in with_head_start(Voice().speak(), ENOUGH, asyncio.Event())])

    assert asyncio.run(run()) == 3
