"""OpenAI's and Azure's own clients, unchanged, hold a conversation after a change of address."""

import base64
from typing import Any

import openai
import pytest
from azure.ai.voicelive import aio as voicelive
from azure.ai.voicelive import models
from azure.core.credentials import AzureKeyCredential

from orchestrator.live.client_events import PCM_RATE
from tests.support.api_server import Api
from tests.support.live_client import decoded

QUESTION = "one two three four five"


async def heard_by_openai(api: Api, session: dict[str, Any]) -> list[Any]:
    """Events of one answer, as the SDK types them."""
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{api.url}/v1")
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


async def test_voice_live_sees_and_hears(api: Api) -> None:
    """Azure's client gets its own names: avatar over the socket, text, sound for review, timestamps."""
    events = []
    key = AzureKeyCredential("none")
    async with voicelive.connect(endpoint=api.url, credential=key, model="gpt-realtime") as connection:
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
