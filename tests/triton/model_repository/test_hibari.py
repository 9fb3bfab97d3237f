"""The hibari model behind a real Triton server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lumen.contracts import HIBARI
from lumen.errors import InvalidInputException
from lumen.families.hibari.synthesizer import Hibari
from lumen.settings import PROJECT_ROOT
from lumen.timed_speech import TimedSpeech
from lumen.triton.server import TritonServer
from orchestrator.triton.client import TritonClient, text_tensor

pytestmark = pytest.mark.triton

LONG = "This is one of many sentences. " * 300


@pytest.fixture(scope="module")
def server(triton: Callable[[Path, list[str]], TritonServer]) -> TritonServer:
    return triton(PROJECT_ROOT / "model_repository", [HIBARI])


@pytest.fixture
async def client(server: TritonServer) -> AsyncIterator[TritonClient]:
    opened = TritonClient(server.grpc_url, timeout=30)
    yield opened
    await opened.close()


def _inputs(text: str, language: str = "en", **values: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    return {"text": text_tensor(text), "language": text_tensor(language), **values}


async def _speech(client: TritonClient, inputs: dict[str, npt.NDArray[Any]]) -> list[TimedSpeech]:
    return [TimedSpeech.from_tensors(answer) async for answer in client.stream(HIBARI, inputs)]


async def test_the_model_speaks_as_the_engine_does(client: TritonClient) -> None:
    """A response per sentence: with a seed the engine's samples, phonemes and words, with their times."""
    text = "Good morning. How are you, Mr. Smith? Fine!"
    speed, seed = np.array([1.25], np.float32), np.array([5], np.int64)
    served = await _speech(client, _inputs(text, "en-us", voice=text_tensor("heart"), speed=speed, seed=seed))
    direct = list(Hibari(Path()).speak(text, "en", rate=1.25, seed=5))
    assert len(served) == 3
    for got, expected in zip(served, direct, strict=True):
        assert np.array_equal(got.pcm, expected.pcm)
        for ours, theirs in ((got.phonemes, expected.phonemes), (got.words, expected.words)):
            assert [each.label for each in ours] == [each.label for each in theirs]
            times = [[(each.start, each.end) for each in side] for side in (ours, theirs)]
            assert np.allclose(*times, atol=1e-5)


async def test_options_may_be_left_out(client: TritonClient) -> None:
    """Voice, rate and seed have defaults; without a seed two requests differ."""
    first, second = (
        await _speech(client, _inputs("Hello there.")),
        await _speech(client, _inputs("Hello there.")),
    )
    assert [word.label for word in first[0].words] == ["Hello", "there."]
    assert first[0].pcm.shape != second[0].pcm.shape or not np.array_equal(first[0].pcm, second[0].pcm)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        (_inputs("Hello", "de"), "'de'"),
        (_inputs("Hello", voice=text_tensor("f99")), "'f99'"),
        (_inputs("..."), "'...'"),
        (_inputs("你好"), "speaks English"),
        (_inputs("Hello", speed=np.array([np.nan], np.float32)), "nan"),
        ({**_inputs(""), "text": np.array([b"\xff\xfe"], np.object_)}, "UTF-8"),
        (_inputs("Hello", seed=np.array([-1], np.int64)), "seed"),
    ],
)
async def test_a_refusal_names_what_came(
    client: TritonClient, inputs: dict[str, npt.NDArray[Any]], named: str
) -> None:
    """Wrong input is refused by name and class, and the model goes on."""
    with pytest.raises(InvalidInputException, match=named):
        await _speech(client, inputs)
    assert len(await _speech(client, _inputs("Hello."))) == 1


async def test_requests_take_turns(client: TritonClient) -> None:
    """A short text is not behind all of a long one that came before it."""
    heard = 0

    async def speak_long(begun: asyncio.Event) -> None:
        nonlocal heard
        async with aclosing(client.stream(HIBARI, _inputs(LONG))) as answers:
            async for _ in answers:
                heard += 1
                begun.set()

    begun = asyncio.Event()
    long = asyncio.create_task(speak_long(begun))
    await asyncio.wait_for(begun.wait(), 30)
    before = heard
    assert len(await _speech(client, _inputs("Hello. I am here too."))) == 2
    assert heard - before < 30
    assert not long.done()
    long.cancel()
    assert len(await _speech(client, _inputs("And now alone."))) == 1


async def test_neighbours_of_a_refusal_are_served(client: TritonClient) -> None:
    """Eight at once, one of them in a wrong language: seven hear their own words."""
    texts = [
        f"Speaker {name} is here."
        for name in ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    ]
    asked = [_speech(client, _inputs(text, "xx" if n == 3 else "en")) for n, text in enumerate(texts)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers.pop(3), InvalidInputException)
    del texts[3]
    assert [" ".join(word.label for word in answer[0].words) for answer in answers] == texts
