"""The models of the listeners behind a real Triton server."""

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from lumen.contracts import ACTIVITY_CONTEXT, ACTIVITY_WINDOW, MOONSHINE, VOICE_ACTIVITY
from lumen.errors import InvalidInputException
from lumen.families.moonshine.family import FAMILY
from orchestrator.listeners.listener import SILENT, TritonActivity
from orchestrator.listeners.triton_recognizer import TritonRecognizer
from orchestrator.live.turns import TurnBegan, TurnDetection, TurnDetector, TurnEnded
from tests.support.checked_client import REPOSITORY, CheckedClient
from tests.support.spoken import Pcm, cough, needs, noise, silence, speech, tone
from tests.support.triton_server import TritonFactory


@pytest.fixture
async def client(triton: TritonFactory) -> AsyncIterator[CheckedClient]:
    needs("moonshine_voice")
    checked = CheckedClient(triton(REPOSITORY, [VOICE_ACTIVITY, MOONSHINE]).grpc_url)
    yield checked
    await checked.close()


async def loaded(models: object) -> None:
    """The models are loaded already."""


async def judged(client: CheckedClient, pcm: Pcm, windows: int = 2) -> Pcm:
    """Probabilities of whole windows, asked for piece by piece."""
    activity, step = TritonActivity(client, loaded), windows * ACTIVITY_WINDOW
    whole = len(pcm) // ACTIVITY_WINDOW * ACTIVITY_WINDOW
    pieces = [pcm[start : min(start + step, whole)] for start in range(0, whole, step)]
    return np.concatenate([await activity.judge(piece) for piece in pieces])


def turns(probabilities: Pcm) -> list[TurnBegan | TurnEnded]:
    detector = TurnDetector(TurnDetection())
    return [found for each in probabilities if (found := detector.feed(float(each))) is not None]


async def test_speech_is_heard(client: CheckedClient) -> None:
    """A turn begins within 100 ms of the speech's beginning, and ends within 200 ms of its end."""
    said = speech("Hello there, how are you?")
    found = turns(await judged(client, np.concatenate([silence(1), said, silence(1)])))
    assert [type(each) for each in found] == [TurnBegan, TurnEnded]
    began, ended = found
    assert isinstance(began, TurnBegan)
    assert isinstance(ended, TurnEnded)
    assert began.first * 0.032 == pytest.approx(1.0, abs=0.1)
    last = np.flatnonzero(np.abs(said) > 0.02)[-1]
    assert ended.end * 0.032 == pytest.approx(1.0 + last / 16_000, abs=0.2)


@pytest.mark.parametrize(
    "sound",
    [silence(2), noise(3), noise(3, 0.01), tone(3), np.concatenate([silence(1), cough(), silence(1)])],
    ids=["silence", "noise", "quiet noise", "tone", "cough"],
)
async def test_what_is_no_speech(client: CheckedClient, sound: Pcm) -> None:
    """No turn begins in silence, noise, a tone or a cough."""
    assert turns(await judged(client, sound)) == []


async def test_speech_in_noise(client: CheckedClient) -> None:
    """A turn is found 10 dB above white noise."""
    said = np.concatenate([silence(1), speech(), silence(1)])
    loudness = float(np.sqrt(np.mean(speech() ** 2))) / 10**0.5
    assert len(turns(await judged(client, said + noise(len(said) / 16_000, loudness)))) >= 2


async def test_pieces_do_not_matter(client: CheckedClient) -> None:
    """The state travels with the requests: any pieces, and two streams in turn, give the same."""
    said = np.concatenate([silence(0.3), speech()])
    whole, pieces, other = await asyncio.gather(
        judged(client, said, 64), judged(client, said, 1), judged(client, noise(1), 3)
    )
    assert np.allclose(whole, pieces, atol=1e-4)
    assert other.max() < 0.2


async def test_the_network_is_the_published_one(client: CheckedClient) -> None:
    """Silero's own streaming network, another file, gives the same probabilities within 1e-3."""
    spec = find_spec("silero_vad")
    assert spec is not None
    assert spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "data" / "silero_vad.onnx"
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(ACTIVITY_CONTEXT, np.float32)
    said, expected = np.concatenate([silence(0.3), speech()]), []
    for start in range(0, len(said) - ACTIVITY_WINDOW + 1, ACTIVITY_WINDOW):
        window = said[start : start + ACTIVITY_WINDOW]
        feeds = {"input": np.concatenate([context, window])[None], "state": state, "sr": np.array(16_000)}
        probability, state = session.run(None, feeds)
        context = window[-ACTIVITY_CONTEXT:]
        expected.append(float(probability[0, 0]))
    difference = np.abs(await judged(client, said) - expected)
    assert difference.max() < 1e-3, (difference.max(), difference.mean())


@pytest.mark.parametrize("samples", [0, 100, ACTIVITY_WINDOW + 1, 65 * ACTIVITY_WINDOW])
async def test_what_are_no_windows(client: CheckedClient, samples: int) -> None:
    """They are refused by their number; neighbours are served."""
    pcm = np.zeros(samples, np.float32)
    with pytest.raises(InvalidInputException, match=f"Got {samples} samples"):
        await client.infer(VOICE_ACTIVITY, {"pcm": pcm, **SILENT})
    assert len(await judged(client, silence(0.1))) == 3


async def heard(client: CheckedClient, pcm: Pcm) -> str:
    return "".join([text async for text in TritonRecognizer(FAMILY, client, loaded).transcribe(pcm, "en")])


@pytest.mark.parametrize(
    "text",
    ["What is the weather like tomorrow in Berlin?", "Please tell me a story about a dog.", "Yes."],
)
async def test_speech_is_recognised(client: CheckedClient, text: str) -> None:
    """Words come back as they were spoken."""
    found = await heard(client, np.concatenate([silence(0.3), speech(text), silence(0.2)]))
    assert found.lower().strip(".?!") == text.lower().strip(".?!")


async def test_nothing_is_made_up(client: CheckedClient) -> None:
    """Silence has no words, though the network would find one."""
    for pcm in (silence(1), noise(1, 1e-4), silence(0.01)):
        assert await heard(client, pcm) == ""


async def test_speech_that_is_too_long(client: CheckedClient) -> None:
    """Over a minute is refused; odd numbers in the samples break nothing."""
    with pytest.raises(InvalidInputException, match=r"61\.0 s"):
        await heard(client, silence(61))
    odd = speech("Yes.").copy()
    odd[:3] = np.nan, np.inf, -np.inf
    assert await heard(client, odd)
