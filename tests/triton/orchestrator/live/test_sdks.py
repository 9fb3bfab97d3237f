"""OpenAI's and Azure's own clients, unchanged, hold a conversation after a change of address."""

import base64
from pathlib import Path
from typing import Any

import openai
import pytest
from azure.ai.voicelive import aio as voicelive
from azure.ai.voicelive import models
from azure.core.credentials import AzureKeyCredential
from websockets.exceptions import ConnectionClosedError

from orchestrator.live.client_events import PCM_RATE
from tests.support.api_server import Api, Serve, assert_error
from tests.support.keys import TestKey, new_key
from tests.support.live_client import decoded

QUESTION = "one two three four five"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TestKey]:
    """The file of a key, and the key."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    return path, new_key(path, "shop")


@pytest.fixture(scope="module")
def keyed(serve_with: Serve, triton_url: str, key: tuple[Path, TestKey]) -> Api:
    """An API that asks for the key."""
    return serve_with(triton_url=triton_url, keys_path=key[0])


async def heard_by_openai(api: Api, session: dict[str, Any], key: str = "none") -> list[Any]:
    """Events of one answer, as the SDK types them."""
    client = openai.AsyncOpenAI(api_key=key, base_url=f"{api.url}/v1")
    events = []
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={"type": "realtime", **session})
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]}
        )
        await connection.response.create()
        async for event in connection:
            events.append(event)
            assert event.type != "error", event
            if event.type == "response.done":
                return events
    raise AssertionError("the connection ended before the response")


async def test_openai_hears_an_answer(api: Api) -> None:
    """Sound and transcript come as the SDK's own events; a voice of OpenAI's is taken for the default."""
    session = {"output_modalities": ["audio"], "audio": {"output": {"voice": "marin"}}}
    events = await heard_by_openai(api, session)
    types = {type(event).__name__ for event in events}
    assert {"SessionCreatedEvent", "SessionUpdatedEvent", "ConversationItemAdded"} <= types
    assert {"ResponseCreatedEvent", "ResponseOutputItemDoneEvent", "ResponseDoneEvent"} <= types
    text = "".join(e.delta for e in events if e.type == "response.output_audio_transcript.delta")
    assert text == QUESTION
    pcm = b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta")
    assert len(pcm) / 2 / PCM_RATE == pytest.approx(1.0, abs=0.01)
    assert events[-1].response.status == "completed"
    updated = next(event for event in events if event.type == "session.updated")
    assert updated.session.audio.output.voice == "default"


async def test_openai_sees_a_face(api: Api) -> None:
    """The picture comes to a client that does nothing for it but read the event."""
    events = await heard_by_openai(api, {})
    film = b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.video.delta")
    assert decoded(film)[0] == pytest.approx(28, abs=1)


async def heard_by_azure(api: Api, key: str) -> list[Any]:
    """Events of one answer with a face, as the SDK types them."""
    events = []
    credential = AzureKeyCredential(key)
    async with voicelive.connect(endpoint=api.url, credential=credential, model="gpt-realtime") as connection:
        avatar = models.AvatarConfig(
            character="ada", customized=False, output_protocol="websocket", output_audit_audio=True
        )
        voice = models.AzureStandardVoice(name="en-US-AvaNeural")
        modalities = [models.Modality.TEXT, models.Modality.AUDIO, models.Modality.AVATAR]
        session = models.RequestSession(modalities=modalities, voice=voice, avatar=avatar)
        await connection.session.update(session=session)
        content = [models.InputTextContentPart(text=QUESTION)]
        await connection.conversation.item.create(item=models.UserMessageItem(content=content))
        await connection.response.create()
        async for event in connection:
            events.append(event)
            assert event.type != models.ServerEventType.ERROR, event
            if event.type == models.ServerEventType.RESPONSE_DONE:
                break
    return events


async def test_voice_live_sees_and_hears(api: Api) -> None:
    """Azure's client gets its own names: avatar over the socket, text, sound for review, timestamps."""
    events = await heard_by_azure(api, "none")
    assert events[-1].response.status == models.ResponseStatus.COMPLETED, events[-1]
    types = {type(event).__name__ for event in events}
    assert {
        "ServerEventSessionCreated",
        "ServerEventSessionUpdated",
        "ServerEventConversationItemCreated",
        "ServerEventResponseCreated",
        "ServerEventSessionAvatarSwitchToSpeaking",
        "ServerEventResponseVideoDelta",
        "ServerEventResponseAudioDelta",
        "ServerEventResponseAudioTimestampDelta",
        "ServerEventResponseAudioTranscriptDelta",
        "ServerEventResponseDone",
    } <= types
    film = b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.video.delta")
    assert decoded(film)[0] == pytest.approx(28, abs=1)
    sound = b"".join(bytes(e.delta) for e in events if e.type == "response.audio.delta")
    assert len(sound) / 2 / PCM_RATE == pytest.approx(1.0, abs=0.01)


async def test_with_keys(keyed: Api, key: tuple[Path, TestKey]) -> None:
    """Both SDKs send the key as they are made to; what they hear and see is charged to it."""
    shop = key[1]

    def used() -> dict[str, Any]:
        (own,) = keyed.client.get("/v1/usage", headers=shop.headers).json()["data"]
        return dict(own["days"][0])

    await heard_by_openai(keyed, {"output_modalities": ["audio"]}, shop.token)
    assert used()["speech_seconds"] == pytest.approx(1.0, abs=0.05)
    assert used()["videos"] == 0
    await heard_by_azure(keyed, shop.token)
    assert used()["video_seconds"] == pytest.approx(1.1, abs=0.1)
    assert (used()["speeches"], used()["videos"]) == (1, 1)
    with pytest.raises(ConnectionClosedError, match="invalid_api_key"):
        await heard_until_closed(keyed, "none")


async def heard_until_closed(api: Api, key: str) -> None:
    client = openai.AsyncOpenAI(api_key=key, base_url=f"{api.url}/v1")
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        while True:
            assert (await connection.recv()).type == "error"


def test_a_clip_with_a_key(keyed: Api, key: tuple[Path, TestKey]) -> None:
    """Its files are had by their signed addresses, its seconds count, and another key has no use for them."""
    shop, ask = key[1], keyed.client
    before = ask.get("/v1/usage", headers=shop.headers).json()["data"][0]["days"][0]
    made = ask.post("/api/generate/full", json={"prompt": "one two"}, headers=shop.headers).json()
    for name in ("video_url", "audio_url", "poster_url", "captions_url"):
        assert ask.get(made[name]).status_code == 200
        assert_error(ask.get(made[name].partition("?")[0]), 401, "UnauthorizedException")
    after = ask.get("/v1/usage", headers=shop.headers).json()["data"][0]["days"][0]
    assert after["videos"] == before["videos"] + 1
    assert after["video_seconds"] - before["video_seconds"] == pytest.approx(made["audio_seconds"], abs=0.01)
    again = {"audio_url": made["audio_url"], "portrait": "ada"}
    assert ask.post("/api/generate/video", json=again, headers=shop.headers).status_code == 200
    other = new_key(key[0], "other")
    keyed.services.access.ring.load()
    for body in (again, {**again, "audio_url": made["audio_url"].partition("?")[0]}):
        refused = ask.post("/api/generate/video", json=body, headers=other.headers)
        assert_error(refused, 404, "NotFoundException")
