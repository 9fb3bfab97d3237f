"""A request whose Triton goes away is asked again: frames go on where they were, sentences begin anew."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import AsyncMock

import numpy as np
import pytest

from lumen import registry
from lumen.aio import once
from lumen.errors import (
    GenerationException,
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
)
from lumen.settings import Settings
from lumen.utterance import Sentence
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import PortraitFeatures
from orchestrator.faces.triton_face import TritonFace
from orchestrator.media.decode_gate import make_gate
from orchestrator.triton.attempts import Attempts
from orchestrator.triton.client import Tensors, TritonClient
from orchestrator.voices.triton_voice import TritonVoice
from orchestrator.voices.voice import SpeechOptions

AWAY = ServiceUnavailableException("Triton does not answer; try again.")
BATCH = 4


class Listener:
    def __init__(self) -> None:
        self.retries: list[str] = []

    def failed(self, model: str, error: LumenException) -> None:
        raise AssertionError("this fake fails by itself")

    def retried(self, model: str) -> None:
        self.retries.append(model)


class Failing(TritonClient):
    """Streams numbered answers, and breaks each of the first ``failures`` streams off after so many."""

    def __init__(self, failures: list[int], error: LumenException = AWAY, retries: int = 2) -> None:
        self.listener = Listener()
        super().__init__("127.0.0.1:1", 1.0, retries=retries, events=self.listener)
        self.failures = failures
        self.error = error
        self.asked: list[Tensors] = []

    async def stream(self, model: str, inputs: Tensors, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        self.asked.append(inputs)
        bound = self.failures.pop(0) if self.failures else None
        for number, answer in enumerate(answers(model, inputs)):
            if number == bound:
                raise self.error
            yield answer


def answers(model: str, inputs: Tensors) -> list[Tensors]:
    if model != "warp":
        return [{"pcm": np.full(10, number, np.float32)} for number in range(3)]
    first, count = int(inputs["first_frame"][0]), int(inputs["n_frames"][0])
    indices = np.arange(first, first + count, dtype=np.uint8)
    frames = np.broadcast_to(indices[:, None, None, None], (count, 2, 2, 3))
    return [{"frames": frames[start : start + BATCH]} for start in range(0, count, BATCH)]


async def drawn(client: TritonClient) -> list[int]:
    """The numbers in the frames of a clip of two seconds."""
    settings = Settings()
    face = TritonFace(registry.face("warp"), client, AsyncMock(), settings, make_gate(settings))
    features = PortraitFeatures(CropOptions(256), {})
    pcm = np.zeros(2 * face.sample_rate, np.float32)
    numbers: list[int] = []
    async for frames in face.animate(features, once(pcm), AnimationOptions(seed=1)):
        assert frames.first == len(numbers)
        numbers += frames.pixels[:, 0, 0, 0].tolist()
    return numbers


@pytest.mark.parametrize("failures", [[], [0], [1], [1, 0, 1], [1, 0, 1, 1, 0]])
async def test_a_window_goes_on_where_it_was(failures: list[int]) -> None:
    """Every frame comes once and in order, wherever its Triton went away."""
    client = Failing(failures.copy(), retries=5)
    assert await drawn(client) == list(range(50))
    assert client.listener.retries == ["warp"] * len(failures)


async def test_a_window_is_asked_for_so_often_and_no_more() -> None:
    """After that the first failure is what the caller hears."""
    client = Failing([0] * 20, retries=2)
    with pytest.raises(ServiceUnavailableException, match="does not answer"):
        await drawn(client)
    assert 3 <= len(client.asked) <= 6  # two windows are under way


@pytest.mark.parametrize("error", [GenerationException("broken"), InvalidInputException("no face")])
async def test_what_is_wrong_everywhere_is_not_asked_again(error: LumenException) -> None:
    """Another Triton would say the same."""
    client = Failing([1] * 20, error)
    with pytest.raises(type(error)):
        await drawn(client)
    assert client.listener.retries == []


async def spoken(client: TritonClient) -> list[float]:
    settings = Settings()
    voice = TritonVoice(registry.voice("espeak"), client, AsyncMock(), settings, make_gate(settings))
    bound = await voice.bind(SpeechOptions("en", "default", 1.0))
    return [float(chunk.pcm[0]) async for chunk in bound.speak(once(Sentence("Good morning.")))]


@pytest.mark.parametrize("heard", [[0, 0], [1], [2, 0], [1, 2]])
async def test_a_sentence_goes_on_behind_what_was_heard(heard: list[int]) -> None:
    """Another Triton says the sentence again, and what was heard of it is left out."""
    client = Failing([*heard])
    assert await spoken(client) == [0, 1, 2]
    assert client.listener.retries == ["espeak"] * len(heard)


async def test_the_first_failure_is_told() -> None:
    """What failed first says most of the cause; without retries it is raised at once."""
    attempts = Attempts("warp", 1)
    await attempts.failed(AWAY)
    with pytest.raises(ServiceUnavailableException) as raised:
        await attempts.failed(ServiceUnavailableException("another"))
    assert raised.value is AWAY
    with pytest.raises(ServiceUnavailableException):
        await Attempts("warp", 0).failed(AWAY)


async def test_an_attempt_waits_for_a_model_that_is_loaded_anew() -> None:
    """A window is not asked for in vain three times while its model loads."""
    dead = [True] * 3 + [False]
    await asyncio.wait_for(Attempts("warp", 1, mending=lambda: dead.pop(0)).failed(AWAY), 5)
    assert dead == []
