"""Turns, transcripts and interruptions by voice, on parts without Triton."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from lumen.errors import GenerationException, ServiceUnavailableException
from orchestrator.live import hearing
from orchestrator.live.dialects import OpenAI
from tests.support.live_listener import FakeListener, sound
from tests.support.live_parts import MemorySocket
from tests.unit.orchestrator.live.test_session import Server

PIECE = 1920
"""Bytes of 40 ms."""


@pytest.fixture
def server(tmp_path: Path) -> Server:
    server = Server(tmp_path, max_audio_seconds=1000)
    server.models.listener = FakeListener()
    return server


def speak(socket: MemorySocket, loud: float, silent: float = 0.0) -> None:
    pcm = sound(loud, silent)
    for start in range(0, len(pcm), PIECE):
        audio = base64.b64encode(pcm[start : start + PIECE]).decode()
        socket.client_sends("input_audio_buffer.append", audio=audio)


def kinds(socket: MemorySocket) -> list[str]:
    return [event["type"] for event in socket.sent]


async def test_a_spoken_question_is_answered(server: Server) -> None:
    """Speech is found, recognised, put into the conversation and answered, in this order of events."""
    server.models.listener.words = ["Hello you there"]
    async with server.talking() as socket:
        session = (await socket.until("session.created"))["session"]
        assert session["parts"]["listener"] == "fake"
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        assert session["audio"]["input"]["transcription"] == {"model": "fake", "language": "en"}
        speak(socket, 0.0, 1.0)
        speak(socket, 1.0, 1.0)
        done = await socket.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Hello you there"
        order = [kind for kind in kinds(socket) if kind.startswith(("input", "conversation"))]
        transcript = "conversation.item.input_audio_transcription"
        assert order[:9] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            *[f"{transcript}.delta"] * 3,
            f"{transcript}.completed",
            "conversation.item.done",
        ]
        started = await socket.until("input_audio_buffer.speech_started")
        stopped = await socket.until("input_audio_buffer.speech_stopped")
        assert started["audio_start_ms"] == pytest.approx(1000 - 300, abs=40)
        assert stopped["audio_end_ms"] == pytest.approx(2000, abs=40)
        completed = await socket.until(f"{transcript}.completed")
        item = (await socket.until("conversation.item.done"))["item"]
        assert {started["item_id"], stopped["item_id"], completed["item_id"]} == {item["id"]}
        assert completed["transcript"] == "Hello you there"
        assert item["content"] == [{"type": "input_audio", "transcript": "Hello you there"}]
        assert server.models.listener.lengths == [pytest.approx(0.3 + 1.0 + 0.2, abs=0.05)]
        assert server.models.writer.requests[-1].prompt == "Hello you there"


async def test_speech_cuts_an_answer_off(server: Server) -> None:
    """The reason is told, nothing of the answer comes afterwards, and the new question is answered."""
    server.models.listener.words = ["Stop it"]
    async with server.talking() as socket:
        socket.client_asks("Hello there. FOREVER")
        await socket.until("response.video.delta")
        speak(socket, 0.5, 1.0)
        cut = (await socket.until("response.done"))["response"]
        assert cut["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        seen = len(socket.sent)
        assert (await socket.until("response.done", seen))["response"]["status"] == "completed"
        cleared = kinds(socket).index("output_audio_buffer.cleared")
        later = [event for event in socket.sent[cleared:] if event["type"] == "response.video.delta"]
        assert cut["id"] not in {event["response_id"] for event in later}


async def test_a_cough_cuts_nothing_off(server: Server) -> None:
    """Sound of 150 ms is no turn: no event, no transcript, and the answer goes on to its end."""
    async with server.talking() as socket:
        socket.client_asks("One two three.")
        speak(socket, 0.15, 1.0)
        assert (await socket.until("response.done"))["response"]["status"] == "completed"
        socket.client_sends("input_audio_buffer.clear")
        await socket.until("input_audio_buffer.cleared")
        assert "input_audio_buffer.speech_started" not in kinds(socket)
        assert server.models.listener.lengths == []


async def test_turns_that_are_not_to_be_answered(server: Server) -> None:
    """Without create_response and interrupt_response a turn is heard, and nothing else happens."""
    server.models.listener.words = ["Go on"]
    turns = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    async with server.talking() as socket:
        await update(socket, {"turn_detection": turns})
        socket.client_asks("One two three. FOREVER")
        await socket.until("response.video.delta")
        speak(socket, 0.5, 1.0)
        await socket.until("conversation.item.input_audio_transcription.completed")
        assert "response.done" not in kinds(socket)
        assert kinds(socket).count("response.created") == 1


async def update(socket: MemorySocket, heard: dict[str, Any]) -> dict[str, Any]:
    seen = len(socket.sent)
    session = {"type": "realtime", "audio": {"input": heard}}
    socket.client_sends("session.update", session=session)
    session = (await socket.until("session.updated", seen))["session"]
    return dict(session["audio"]["input"])


async def test_push_to_talk(server: Server) -> None:
    """With turn detection off the client commits; its response waits for the words."""
    server.models.listener.words = ["One", "two"]
    async with server.talking() as socket:
        assert (await update(socket, {"turn_detection": None}))["turn_detection"] is None
        speak(socket, 0.5, 1.0)
        server.models.listener.ready.clear()
        socket.client_sends("input_audio_buffer.commit")
        socket.client_sends("response.create")
        await socket.until("input_audio_buffer.committed")
        assert "input_audio_buffer.speech_started" not in kinds(socket)
        server.models.listener.ready.set()
        await socket.until("response.done")
        assert server.models.writer.requests[-1].prompt == "One"
        assert server.models.listener.lengths == [pytest.approx(1.5, abs=0.01)]
        seen = len(socket.sent)
        socket.client_sends("input_audio_buffer.commit")
        assert (await socket.until("error", seen))["error"]["code"] == "input_audio_buffer_commit_empty"


async def test_settings_are_the_clients(server: Server) -> None:
    """They come back as they hold; what is out of range is refused, and so is another format."""
    async with server.talking() as socket:
        turns = {"type": "semantic_vad", "threshold": 0.7, "prefix_padding_ms": 100, "eagerness": "high"}
        told = (await update(socket, {"turn_detection": turns}))["turn_detection"]
        assert (told["type"], told["threshold"], told["prefix_padding_ms"]) == ("server_vad", 0.7, 100)
        assert (told["silence_duration_ms"], told["create_response"]) == (500, True)
        for wrong in (
            {"turn_detection": {"type": "server_vad", "threshold": 2.0}},
            {"turn_detection": {"type": "server_vad", "silence_duration_ms": 0}},
            {"turn_detection": {"type": "server_vad", "prefix_padding_ms": 10**9}},
            {"format": {"type": "audio/pcmu"}},
            {"format": {"type": "audio/pcm", "rate": 8000}},
        ):
            seen = len(socket.sent)
            session = {"type": "realtime", "audio": {"input": wrong}}
            socket.client_sends("session.update", session=session)
            refusal = (await socket.until("error", seen))["error"]
            assert refusal["param"].startswith("session.audio.input")


async def test_what_is_not_recognised(server: Server) -> None:
    """A turn without words leaves the conversation; one that fails says why; the next is answered."""
    listener = server.models.listener
    listener.words = ["", GenerationException("no luck"), "word " * 2000, "Fine"]
    async with server.talking() as socket:
        for code in (None, "GenerationException", "text_too_long"):
            seen = len(socket.sent)
            speak(socket, 0.5, 1.0)
            if code is None:
                event = "conversation.item.input_audio_transcription.completed"
                assert (await socket.until(event, seen))["transcript"] == ""
            else:
                event = "conversation.item.input_audio_transcription.failed"
                assert (await socket.until(event, seen))["error"]["code"] == code
            await socket.until("conversation.item.deleted", seen)
        speak(socket, 0.5, 1.0)
        await socket.until("response.done")
        assert kinds(socket).count("response.created") == 1
        assert server.models.writer.requests[-1].history == []


async def test_a_language_that_nobody_recognises(server: Server) -> None:
    """The session says so, and a turn says why it has no words."""
    async with server.talking() as socket:
        await socket.until("session.created")
        server.models.listener.language = "de"
        assert (await update(socket, {}))["transcription"] is None
        speak(socket, 0.5, 1.0)
        failed = await socket.until("conversation.item.input_audio_transcription.failed")
        assert failed["error"]["code"] == "no_recognizer"


async def test_activity_that_fails(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not answer is an error event; it is tried again, and the conversation goes on."""
    monkeypatch.setattr(hearing, "RETRY_SECONDS", 0.01)
    listener = server.models.listener
    listener.failures, listener.words = [ServiceUnavailableException("Triton is not there.")], ["Hello"]
    async with server.talking() as socket:
        speak(socket, 0.0, 0.2)
        assert (await socket.until("error"))["error"]["code"] == "ServiceUnavailableException"
        speak(socket, 0.0, 0.2)
        speak(socket, 0.5, 1.0)
        await socket.until("response.done")


async def test_speech_without_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is cut at the longest length, and what follows is the next turn."""
    monkeypatch.setattr(hearing, "LONGEST", 5 * 16_000)
    server.models.listener.words = ["One", "two", "three"]
    async with server.talking() as socket:
        for _ in range(4):
            speak(socket, 2.0)
            await socket.until("session.created")
        speak(socket, 0.0, 1.0)
        await socket.until("response.done")
        assert max(server.models.listener.lengths) <= 5.1
        assert sum(server.models.listener.lengths) == pytest.approx(8.2, abs=0.5)


async def test_turns_are_bounded(server: Server) -> None:
    """More turns than may wait are refused; nothing grows."""
    server.models.listener.ready.clear()
    async with server.talking() as socket:
        await update(socket, {"turn_detection": None})
        for _ in range(6):
            speak(socket, 0.2)
            socket.client_sends("input_audio_buffer.commit")
        assert (await socket.until("error"))["error"]["code"] == "too_many_turns"


async def test_a_microphone_that_is_left_on(tmp_path: Path) -> None:
    """Sound in which nobody speaks keeps no conversation alive; speech does."""
    server = Server(tmp_path, session_idle_seconds=0.4)
    server.models.listener = FakeListener(words=[""])
    socket = MemorySocket()
    serving = asyncio.create_task(server.live.serve(socket, OpenAI(), binary=False))
    await socket.until("session.created")
    speak(socket, 0.5, 1.0)
    await socket.until("input_audio_buffer.committed")
    while socket.closed is None:
        speak(socket, 0.0, 0.1)
        await asyncio.sleep(0.02)
    await asyncio.wait_for(serving, 10)
    assert socket.closed == (1000, "session_idle")
