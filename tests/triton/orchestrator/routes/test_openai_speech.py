"""OpenAI's SDK, unchanged, and Open WebUI speak with LUMEN after a change of address."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import openai
import pytest

from tests.support.api_server import Api
from tests.support.media_files import heard, pitch, recording
from tests.support.waiting import wait_until

SPEECH = "/v1/audio/speech"
TEXT = "one two three four five"
SECONDS = 1.0
HERTZ = 200

FORMATS = {
    "mp3": ("mp3", "mp3float", "audio/mpeg", 0.15),
    "opus": ("ogg", "opus", "audio/ogg", 0.001),
    "aac": ("aac", "aac", "audio/aac", 0.15),
    "flac": ("flac", "flac", "audio/flac", 0.001),
    "wav": ("wav", "pcm_s16le", "audio/wav", 0.001),
    "pcm": (None, None, "audio/pcm", 0.001),
}
"""By name: container and codec as FFmpeg finds them, media type, seconds of silence around the sound."""


@pytest.fixture
def client(xtts: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{xtts.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def decoded(data: bytes, name: str) -> tuple[np.ndarray[Any, Any], int]:
    """Samples of a file of this format, which is what it says it is, and their rate."""
    if name == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / 32_767, 24_000
    container, codec = FORMATS[name][:2]
    with av.open(io.BytesIO(data)) as file:
        assert file.format.name == container
        assert file.streams.audio[0].codec_context.name == codec
        assert file.streams.audio[0].channels == 1
    return heard(data)


def told(repository: Path) -> dict[str, Any]:
    """Read the last request to the stand-in."""
    lines = (repository / "xtts" / "events").read_text().splitlines()
    return json.loads([line for line in lines if line.startswith("told ")][-1].removeprefix("told "))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(client: openai.OpenAI, name: Any) -> None:
    """Each is the kind of file that was asked for, at 24 kHz or Opus's rate, and holds the speech."""
    answer = client.audio.speech.create(model="tts-1", input=TEXT, voice="alloy", response_format=name)
    assert answer.response.headers["content-type"].startswith(FORMATS[name][2])
    pcm, rate = decoded(answer.content, name)
    assert rate == int(answer.response.headers["x-sample-rate"]) == (48_000 if name == "opus" else 24_000)
    assert SECONDS - 0.001 <= len(pcm) / rate <= SECONDS + FORMATS[name][3]
    assert pitch(pcm, rate) == pytest.approx(HERTZ, abs=3)


def test_the_default_format(client: openai.OpenAI) -> None:
    """What a client does not say is MP3, at the normal speed."""
    answer = client.audio.speech.create(model="gpt-4o-mini-tts", input=TEXT, voice="nova")
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert answer.response.headers["x-voice-part"] == "xtts"
    assert "x-warnings" not in answer.response.headers
    assert len(decoded(answer.content, "mp3")[0]) / 24_000 == pytest.approx(SECONDS, abs=0.15)


@pytest.mark.parametrize("name", ["mp3", "pcm"])
def test_the_sound_comes_while_it_is_made(client: openai.OpenAI, repository: Path, name: Any) -> None:
    """The SDK hears the beginning while the voice still waits to say the rest."""
    gate = repository / "xtts" / "gate"
    gate.unlink(missing_ok=True)
    speech = client.audio.speech.with_streaming_response
    text = "one two GATE three"
    with speech.create(model="tts-1", input=text, voice="alloy", response_format=name) as answer:
        chunks = answer.iter_bytes()
        first = next(chunks)
        gate.touch()
        rest = b"".join(chunks)
    gate.unlink()
    assert first
    pcm, rate = decoded(first + rest, name)
    assert len(pcm) / rate == pytest.approx(0.6, abs=0.15)


def test_events(client: openai.OpenAI) -> None:
    """Events carry the file in pieces, and then what was used."""
    speech = client.audio.speech.with_streaming_response
    options: Any = {"response_format": "wav", "stream_format": "sse"}
    with speech.create(model="tts-1", input=TEXT, voice="alloy", **options) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
    pcm, rate = decoded(b"".join(base64.b64decode(event["audio"]) for event in events[:-1]), "wav")
    assert pitch(pcm, rate) == pytest.approx(HERTZ, abs=3)
    assert events[-1] == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 23, "output_tokens": 20, "total_tokens": 43, "seconds": 1.0},
    }


def test_what_fails_between_events_is_an_event(xtts: Api) -> None:
    """A failure before the first event is an error as any other, a later one is told where it happened."""
    body = {"model": "tts-1", "voice": "alloy", "stream_format": "sse", "response_format": "pcm"}
    refused = xtts.client.post(SPEECH, json={**body, "input": "BREAK"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (500, "generation")
    broken = xtts.client.post(SPEECH, json={**body, "input": "one two BREAK three"})
    *_, last = [json.loads(line.removeprefix("data: ")) for line in broken.text.splitlines() if line]
    assert (last["type"], last["error"]["type"]) == ("error", "server_error")
    assert "secret" not in broken.text


@pytest.mark.parametrize(("speed", "spoken"), [(0.25, 0.5), (0.5, 0.5), (1.5, 1.5), (4.0, 2.0)])
def test_any_speed(client: openai.OpenAI, repository: Path, speed: float, spoken: float) -> None:
    """The voice is told what it can do of it, and its sound is stretched or pressed for the rest."""
    options: Any = {"response_format": "pcm", "speed": speed}
    answer = client.audio.speech.create(model="tts-1", input=TEXT, voice="alloy", **options)
    pcm, rate = decoded(answer.content, "pcm")
    assert told(repository)["speed"] == [spoken]
    assert len(pcm) / rate == pytest.approx(SECONDS * spoken / speed, abs=0.06)
    assert pitch(pcm, rate) == pytest.approx(HERTZ, abs=5)


@pytest.mark.parametrize(
    ("voice", "hertz"), [("bède", 300), ({"id": "Bède"}, 300), ("shimmer", 200), ("default", 200), ("", 200)]
)
def test_voices_by_name_and_id(client: openai.OpenAI, voice: Any, hertz: int) -> None:
    """A voice is named as it is listed; OpenAI's own names mean the default voice."""
    answer = client.audio.speech.create(model="tts-1", input=TEXT, voice=voice, response_format="wav")
    assert pitch(*decoded(answer.content, "wav")) == pytest.approx(hertz, abs=3)


def test_a_voice_from_making_to_removal(client: openai.OpenAI, xtts: Api) -> None:
    """The SDK makes a voice of a recording, speaks with it by id and by name, and removes it."""
    sample = ("ada.wav", recording(500), "audio/wav")
    voice = client.audio.voices.create(name="Nova", audio_sample=sample, consent="signed, 2026-11-02")
    assert (voice.object, voice.type, voice.name) == ("audio.voice", "audio_sample", "Nova")
    assert voice.created_at > 1_700_000_000
    listed = xtts.client.get("/v1/audio/voices").json()["data"]
    assert [each["name"] for each in listed] == ["Ada Lovelace", "Bède", "Nova"]
    for name in ({"id": voice.id}, "nova"):
        answer = client.audio.speech.create(model="tts-1", input=TEXT, voice=name, response_format="wav")
        assert pitch(*decoded(answer.content, "wav")) == pytest.approx(500, abs=5)
    assert client.audio.voices.delete(voice.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.audio.voices.delete(voice.id)


def test_fields_without_effect(client: openai.OpenAI) -> None:
    """Instructions and fields of other servers are no error, and a warning names them."""
    answer = client.audio.speech.create(
        model="tts-1",
        input=TEXT,
        voice="alloy",
        instructions="Whisper.",
        extra_body={"lang_code": "a", "Ω": 1},
    )
    assert answer.response.headers["x-warnings"] == "without effect here: instructions, lang_code, ?"


def test_a_long_text(client: openai.OpenAI) -> None:
    """4096 characters are spoken to the end, longer than a video may be."""
    text = "one two six. " * 315
    answer = client.audio.speech.create(model="tts-1", input=text[:4096], voice="alloy")
    pcm, rate = decoded(answer.content, "mp3")
    assert len(pcm) / rate > 180


def test_a_client_that_leaves(xtts: Api) -> None:
    """The work stops, and its place is free again."""
    body = {"model": "tts-1", "input": "one two WAIT", "voice": "alloy", "response_format": "pcm"}
    wait_until(lambda: xtts.services.pipeline.active_clips == 0)
    with httpx.stream("POST", xtts.url + SPEECH, json=body, timeout=20) as response:
        next(response.iter_raw())
        assert xtts.services.pipeline.active_clips == 1
    wait_until(lambda: xtts.services.pipeline.active_clips == 0, seconds=5)


def test_open_webui(api: Api) -> None:
    """What Open WebUI sends with its speech engine set to OpenAI's and LUMEN's address."""
    voices = api.client.get("/v1/audio/voices").json()["voices"]
    assert {voice["id"]: voice["name"] for voice in voices}["default"] == "default"
    assert api.client.get("/v1/audio/models").json()["models"][0]["id"] == "espeak"
    headers = {"Authorization": "Bearer none", "X-OpenWebUI-User-Name": "Ada"}
    body = {"model": "tts-1", "input": TEXT, "voice": "alloy"}
    answer = api.client.post(SPEECH, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/mpeg"
    pcm, rate = decoded(answer.content, "mp3")
    assert pitch(pcm, rate) == pytest.approx(220, abs=3)


def test_examples_are_accepted(api: Api) -> None:
    """Each example of the description works as it stands."""
    schemas = api.client.get("/openapi.json").json()["components"]["schemas"]
    for example in schemas["SpeechRequest"]["examples"]:
        assert api.client.post(SPEECH, json=example).status_code == 200
