"""The API in front of the real XTTS models, at tiny size: random weights, so what is said is noise."""

import io
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lumen import contracts, registry
from lumen.aio import Stream
from lumen.settings import PROJECT_ROOT, Settings
from lumen.triton.server import TritonServer
from orchestrator.media.decode_gate import make_gate
from orchestrator.media.resample import pcm16
from orchestrator.pipeline.utterance import sentences_of
from orchestrator.triton.client import TritonClient
from orchestrator.voices import make_voice
from orchestrator.voices.references import condition, decode, pieces
from orchestrator.voices.voice import SpeechOptions
from tests.support.api_server import Api, serve
from tests.support.checked_client import CheckedClient
from tests.support.media_files import recording

TTS, VOICES = "/api/generate/tts", "/api/voices"
SPEECH = {"text": "Hi.", "language": "en", "seed": 7}
RATE = 24_000


@pytest.fixture(scope="module")
def api(xtts_server: TritonServer, xtts_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An API on the profile for machines without a GPU."""
    folder = tmp_path_factory.mktemp("api")
    changes: dict[str, Any] = {
        "profile": "cpu",
        "_env_file": None,
        "writer": "echo",
        "face": "warp",
        "model_repository": xtts_repository,
        "outputs_path": folder / "outputs",
        "voices_path": folder / "voices",
        "logs_path": folder / "logs",
        "rate_limit": "10000/minute",
        "triton_url": xtts_server.grpc_url,
        "audio_sample_rate": RATE,
    }
    with serve(Settings(**changes)) as served:
        yield served


def spoken(api: Api, **fields: Any) -> npt.NDArray[np.int16]:
    """The samples of streamed speech."""
    body = {**SPEECH, "stream": True, **fields}
    response = api.client.post(TTS, json=body, headers={"accept": "audio/pcm"})
    assert response.status_code == 200, response.text
    return np.frombuffer(response.content, "<i2")


def test_it_speaks_and_repeats_itself(api: Api) -> None:
    """The same seed makes the same speech, streamed or not; another seed another one."""
    body = api.client.post(TTS, json=SPEECH).json()
    assert body["parts"] == {"voice": "xtts"}
    with wave.open(io.BytesIO(api.client.get(body["audio_url"]).content)) as file:
        first = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(spoken(api), first)
    other = spoken(api, seed=8)
    assert len(other) != len(first) or (other != first).any()


SENTENCES = "Hi. You there? Good."


@pytest.mark.parametrize("step", [1, 5, 100])
async def test_an_utterance_is_the_same_however_it_is_written(
    api: Api, xtts_server: TritonServer, step: int
) -> None:
    """A text that is written in pieces of any size sounds as in one piece, streamed or in a file."""
    text = {"text": SENTENCES, "seed": 11}
    body = api.client.post(TTS, json={**SPEECH, **text}).json()
    with wave.open(io.BytesIO(api.client.get(body["audio_url"]).content)) as file:
        whole = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(spoken(api, **text), whole)
    client = TritonClient(xtts_server.grpc_url, 60.0)
    settings = api.settings
    voice = make_voice(
        registry.voice("xtts"), client, api.services.models.ensure, settings, make_gate(settings)
    )
    try:
        options = SpeechOptions("en", "default", 1.0, seed=11)
        bound = await voice.bind(options)
        chunks = [
            chunk async for chunk in bound.speak(sentences_of(written(SENTENCES, step), "an utterance"))
        ]
    finally:
        await client.close()
    np.testing.assert_array_equal(pcm16(np.concatenate([chunk.pcm for chunk in chunks])), whole)
    assert sorted({chunk.sentence for chunk in chunks}) == [0, 1, 2]
    ends = np.cumsum([len(chunk.pcm) for chunk in chunks]) / RATE
    np.testing.assert_allclose([chunk.start for chunk in chunks], [0, *ends[:-1]])


async def written(text: str, step: int) -> Stream[str]:
    """A text in pieces of ``step`` characters."""
    for start in range(0, len(text), step):
        yield text[start : start + step]


@pytest.mark.heavy
def test_a_learned_voice_speaks_alone_and_among_others(api: Api) -> None:
    """A voice of recordings is another than the built-in ones, and its neighbours do not change it."""
    made = api.client.post(VOICES, files={"audio": ("a.wav", recording(300, 5.0))})
    assert made.status_code == 201, made.text
    names = [made.json()["id"], *(v["id"] for v in api.client.get(VOICES).json()["voices"])]
    alone = [spoken(api, voice=name, sampling={"top_k": 5}) for name in names[:3]]
    with ThreadPoolExecutor(3) as pool:
        among = list(pool.map(lambda name: spoken(api, voice=name, sampling={"top_k": 5}), names[:3]))
    for one, same in zip(alone, among, strict=True):
        np.testing.assert_allclose(one / 32_768, same / 32_768, atol=1e-3)
    assert len(alone[0]) != len(alone[1]) or (alone[0] != alone[1]).any()


@pytest.mark.parametrize(
    ("fields", "status", "fragment"),
    [
        ({"language": "tlh"}, 400, "language"),
        ({"text": "?!"}, 400, "nothing"),
        ({"voice": "0" * 32}, 404, "no voice"),
    ],
)
def test_what_it_cannot_say(api: Api, fields: dict[str, Any], status: int, fragment: str) -> None:
    """Refusals of the models arrive as errors, streamed or not."""
    for stream in (True, False):
        response = api.client.post(TTS, json={**SPEECH, "stream": stream, **fields})
        assert response.status_code == status, response.text
        assert fragment in response.json()["message"]


async def test_what_passes_is_what_the_configurations_say(xtts_server: TritonServer, api: Api) -> None:
    """Names, types and shapes of what the API asks XTTS's models and is answered."""
    client = CheckedClient(xtts_server.grpc_url)
    try:
        await _load(client)
        heard, _ = await decode(make_gate(api.settings), [recording(300, 4.5)], 60.0)
        latents = await condition(client, pieces(heard))
        assert latents.gpt_cond_latent.shape == (contracts.XTTS_CONDITION_LATENTS, 64)
        assert latents.speaker_embedding.shape == (contracts.XTTS_SPEAKER_WIDTH,)
        assert client.asked == {contracts.XTTS_CONDITIONING, contracts.XTTS_SPEAKER}
    finally:
        await client.close()


async def _load(client: TritonClient) -> None:
    for model in (contracts.XTTS_CONDITIONING, contracts.XTTS_SPEAKER):
        await client.load(model, 60.0)


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_the_profiles_are_valid(profile: str) -> None:
    """Both name parts that exist."""
    settings = Settings(profile=profile, _env_file=None)
    assert (settings.voice, settings.face) == ("xtts", "sadtalker")
    assert (PROJECT_ROOT / "configs" / f"{profile}.yaml").is_file()
