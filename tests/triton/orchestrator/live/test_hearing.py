"""Conversations by voice: the real listener behind a real Triton, stand-ins for voice and face."""

import base64
from typing import Any

import numpy as np
import openai
from azure.ai.voicelive import aio as voicelive
from azure.ai.voicelive import models
from azure.core.credentials import AzureKeyCredential

from tests.support.api_server import Api, Serve
from tests.support.hearing_api import send_sound, wire
from tests.support.live_client import talking
from tests.support.spoken import cough, noise, silence, speech

QUESTION = np.concatenate([silence(0.5), speech("Please tell me a story about a dog."), silence(1.0)])
TRANSCRIPT = "Please tell me a story about a dog."


def test_a_spoken_question_is_answered(hearing: Api) -> None:
    """Speech is written down and answered aloud; echo says the same."""
    with talking(hearing.url) as client:
        assert client.events[0]["session"]["parts"]["listener"] == "moonshine"
        send_sound(client, QUESTION)
        started = client.until("input_audio_buffer.speech_started")
        heard = client.until("conversation.item.input_audio_transcription.completed")
        assert (heard["transcript"], heard["item_id"]) == (TRANSCRIPT, started["item_id"])
        done = client.until("response.done")["response"]
        assert done["output"][0]["content"][0]["transcript"] == TRANSCRIPT


def test_twenty_interruptions_by_voice(hearing: Api) -> None:
    """Speech over an answer ends it with its reason; nothing of it comes afterwards; the next is whole."""
    said = speech("Please stop it now.")
    with talking(hearing.url) as client:
        turns = {"type": "server_vad", "create_response": False, "silence_duration_ms": 200}
        client.send("session.update", session={"audio": {"input": {"turn_detection": turns}}})
        cut = []
        for _ in range(20):
            cut.append(client.ask("one two three four five. Six seven WAIT"))
            client.until("response.video.delta")
            send_sound(client, np.concatenate([said, silence(0.6)]))
            details = client.until("response.done")["response"]["status_details"]
            assert details == {"type": "cancelled", "reason": "turn_detected"}
            client.until("conversation.item.input_audio_transcription.completed")
        client.ask("one two")
        assert client.until("response.done")["response"]["status"] == "completed"
        for response in cut:
            kinds = client.kinds(response)
            assert "response.video.delta" not in kinds[kinds.index("output_audio_buffer.cleared") :]


def test_a_cough_and_noise_cut_nothing_off(hearing: Api) -> None:
    """The answer is made and played to its end."""
    with talking(hearing.url) as client:
        response = client.ask("one two three four")
        client.until("response.video.delta")
        send_sound(client, np.concatenate([silence(0.3), cough(), silence(0.5), noise(2)]))
        assert client.until("response.done")["response"]["status"] == "completed"
        client.until("output_audio_buffer.stopped")
        assert "input_audio_buffer.speech_started" not in client.kinds()
        assert response


def test_two_listen_apart(hearing: Api) -> None:
    """Voice activity of one conversation knows nothing of another's."""
    with talking(hearing.url) as one, talking(hearing.url) as other:
        send_sound(one, QUESTION[: len(QUESTION) // 2])
        send_sound(other, silence(2))
        send_sound(one, QUESTION[len(QUESTION) // 2 :])
        heard = one.until("conversation.item.input_audio_transcription.completed")
        assert heard["transcript"] == TRANSCRIPT
        other.ask("one")
        other.until("response.done")
        assert "input_audio_buffer.speech_started" not in other.kinds()


def test_bad_sound(hearing: Api) -> None:
    """10 MB of sound, base64 that is none, half a sample: an error each, and the conversation goes on."""
    with talking(hearing.url) as client:
        for audio, code in (
            ("A" * 10 * 2**20, "event_too_large"),
            ("this is no base64!", "invalid_audio"),
            (base64.b64encode(b"abc").decode(), "invalid_audio"),
        ):
            client.send("input_audio_buffer.append", audio=audio)
            assert client.failure()["code"] == code
        send_sound(client, QUESTION)
        assert client.until("response.done")["response"]["status"] == "completed"


def test_a_server_that_recognises_nothing(api: Api) -> None:
    """It names no listener, and says that it recognises nothing when sound is committed."""
    with talking(api.url) as client:
        session = client.events[0]["session"]
        assert "listener" not in session["parts"]
        assert session["audio"]["input"]["turn_detection"] is None
        send_sound(client, silence(0.5))
        client.send("input_audio_buffer.commit")
        assert client.failure()["code"] == "no_recognizer"


def test_activity_without_recognition(hearing: Api, serve_with: Serve) -> None:
    """Who speaks is heard and cuts answers off; there are no words, which is told."""
    settings = hearing.settings
    silero = serve_with(
        triton_url=settings.triton_url, model_repository=settings.model_repository, listener="silero"
    )
    with talking(silero.url) as client:
        turns = {"turn_detection": {"type": "server_vad"}}
        client.send("session.update", session={"audio": {"input": turns}})
        assert client.until("session.updated")["session"]["audio"]["input"]["transcription"] is None
        client.ask("one two three four five. Six seven WAIT")
        client.until("response.video.delta")
        send_sound(client, QUESTION)
        client.until("input_audio_buffer.speech_started")
        assert client.until("response.done")["response"]["status"] == "cancelled"
        failed = client.until("conversation.item.input_audio_transcription.failed")
        assert failed["error"]["code"] == "no_recognizer"


async def test_openai_is_heard(hearing: Api) -> None:
    """OpenAI's client sends sound, and gets its own events of turn, transcript and answer."""
    client = openai.AsyncOpenAI(api_key="none", base_url=f"{hearing.url}/v1")
    events: list[Any] = []
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        turns: Any = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 300}
        heard: Any = {"turn_detection": turns, "transcription": {"model": "whisper-1"}}
        await connection.session.update(session={"type": "realtime", "audio": {"input": heard}})
        for start in range(0, len(data := wire(QUESTION)), 9600):
            audio = base64.b64encode(data[start : start + 9600]).decode()
            await connection.input_audio_buffer.append(audio=audio)
        async for event in connection:
            events.append(event)
            assert event.type != "error", event
            if event.type == "response.done":
                break
    assert {
        "InputAudioBufferSpeechStartedEvent",
        "InputAudioBufferSpeechStoppedEvent",
        "InputAudioBufferCommittedEvent",
        "ConversationItemInputAudioTranscriptionDeltaEvent",
        "ConversationItemInputAudioTranscriptionCompletedEvent",
        "ResponseDoneEvent",
    } <= {type(event).__name__ for event in events}
    updated = next(event for event in events if event.type == "session.updated").session
    assert updated.audio.input.turn_detection.silence_duration_ms == 300
    assert events[-1].response.output[0].content[0].transcript == TRANSCRIPT


async def test_voice_live_is_heard(hearing: Api) -> None:
    """Azure's client likewise, in its own names."""
    events: list[Any] = []
    key = AzureKeyCredential("none")
    async with voicelive.connect(endpoint=hearing.url, credential=key, model="gpt-realtime") as connection:
        session = models.RequestSession(
            modalities=[models.Modality.TEXT, models.Modality.AUDIO],
            turn_detection=models.ServerVad(threshold=0.5, silence_duration_ms=300),
            input_audio_transcription=models.AudioInputTranscriptionOptions(model="whisper-1"),
        )
        await connection.session.update(session=session)
        for start in range(0, len(data := wire(QUESTION)), 9600):
            audio = base64.b64encode(data[start : start + 9600]).decode()
            await connection.input_audio_buffer.append(audio=audio)
        async for event in connection:
            events.append(event)
            assert event.type != models.ServerEventType.ERROR, event
            if event.type == models.ServerEventType.RESPONSE_DONE:
                break
    assert {
        "ServerEventInputAudioBufferSpeechStarted",
        "ServerEventInputAudioBufferSpeechStopped",
        "ServerEventInputAudioBufferCommitted",
        "ServerEventConversationItemInputAudioTranscriptionCompleted",
        "ServerEventResponseAudioDelta",
        "ServerEventResponseDone",
    } <= {type(event).__name__ for event in events}
    updated = next(e for e in events if e.type == models.ServerEventType.SESSION_UPDATED).session
    assert updated.turn_detection.silence_duration_ms == 300
