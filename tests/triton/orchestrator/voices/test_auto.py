"""The starter's voices through the API, in front of a real Triton with both."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from lumen.contracts import ESPEAK, HIBARI
from lumen.settings import PROJECT_ROOT, Settings
from lumen.triton.server import TritonServer
from orchestrator.main import create_app
from tests.support.media_files import heard

pytestmark = pytest.mark.triton

TTS = "/api/generate/tts"


@pytest.fixture(scope="module")
def server(triton: Callable[[Path, list[str]], TritonServer]) -> TritonServer:
    return triton(PROJECT_ROOT / "model_repository", [HIBARI, ESPEAK])


@pytest.fixture
async def client(server: TritonServer, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app with the starter's settings."""
    folders = {"outputs_path": tmp_path / "outputs", "logs_path": tmp_path / "logs"}
    settings = Settings.model_validate({"writer": "echo", "triton_url": server.grpc_url, **folders})
    app = create_app(settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lumen") as opened:
        yield opened
    await app.state.services.models.close()


@pytest.mark.parametrize(
    ("fields", "part", "voice"),
    [
        ({"text": "Hello there.", "language": "en"}, "hibari", "default"),
        ({"text": "Hello there.", "language": "en-GB", "voice": "Heart"}, "hibari", "Heart"),
        ({"text": "Hello there.", "language": "en", "voice": "f2"}, "espeak", "f2"),
        ({"text": "Guten Tag.", "language": "de"}, "espeak", "default"),
        ({"text": "Guten Tag.", "language": "de", "voice": "f2"}, "espeak", "f2"),
    ],
)
async def test_the_response_names_who_spoke(
    client: httpx.AsyncClient, fields: dict[str, str], part: str, voice: str
) -> None:
    """English is hibari's, the rest eSpeak's, and who names a voice has its part; the file sounds."""
    response = await client.post(TTS, json=fields)
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["parts"], body["voice"]) == ({"voice": part}, voice)
    assert 0.5 < body["audio_seconds"] < 3
    assert len((await client.get(body["audio_url"])).content) > 20_000


async def test_a_seed_is_for_the_voice_that_has_one(client: httpx.AsyncClient) -> None:
    """hibari repeats itself and tells its seed; eSpeak, which has none, refuses one."""
    seeded = {"text": "Say it again.", "seed": 7}
    sounds = []
    for _ in range(2):
        body = (await client.post(TTS, json=seeded)).json()
        assert body["seed"] == 7
        sounds.append(heard((await client.get(body["audio_url"])).content)[0])
    np.testing.assert_array_equal(*sounds)
    assert isinstance((await client.post(TTS, json={"text": "Hello."})).json()["seed"], int)
    refused = await client.post(TTS, json={**seeded, "language": "fr"})
    assert refused.status_code == 400
    assert "espeak" in refused.text


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"text": "Hallo.", "language": "de", "voice": "heart"}, "'de'"),
        ({"text": "Hello.", "voice": "nobody"}, "'nobody'"),
        ({"text": "Hello.", "voice": "emma"}, "lumen export download hibari emma"),
        ({"text": "Hello.", "language": "xx"}, "'xx'"),
        ({"text": "Hello.", "sampling": {"temperature": 0.5}}, "sampling"),
    ],
)
async def test_what_neither_part_can_is_refused(
    client: httpx.AsyncClient, fields: dict[str, Any], named: str
) -> None:
    """A 400 that names what came, or what to do."""
    response = await client.post(TTS, json=fields)
    assert response.status_code == 400
    assert named in response.text


async def test_a_stream_names_its_part_and_seed(client: httpx.AsyncClient) -> None:
    """Headers come before the sound, so the choice is made before it."""
    english = await client.post(TTS, json={"text": "Hello there.", "stream": True, "seed": 3})
    german = await client.post(TTS, json={"text": "Guten Tag.", "language": "de", "stream": True})
    assert (english.headers["x-voice-part"], english.headers["x-seed"]) == ("hibari", "3")
    assert german.headers["x-voice-part"] == "espeak"
    assert min(len(english.content), len(german.content)) > 20_000


async def test_all_voices_and_languages_are_listed(client: httpx.AsyncClient) -> None:
    """Both parts' voices, `default` once, and the languages of the two."""
    status = (await client.get("/api/status")).json()
    assert status["parts"]["voice"] == "auto"
    assert status["voices"][:2] == ["default", "heart"]
    assert status["voices"].count("default") == 1
    assert {"f2", "Alex"} <= set(status["voices"])
    assert {"en", "de", "en-gb"} <= status["languages"].keys()
    assert (await client.get("/api/voices/f2")).json()["name"] == "f2"
    assert (await client.get("/api/voices/heart")).json()["name"] == "heart"
    assert "VOICE=xtts" in (await client.delete("/api/voices/heart")).text
