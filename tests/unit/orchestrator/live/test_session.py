"""Conversations on parts without Triton: interruption, pacing, limits, hostile clients."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lumen.settings import Settings
from orchestrator.faces.portraits import ImageDecoder, Portraits
from orchestrator.live.client_events import MAX_EVENT_BYTES
from orchestrator.live.dialects import OpenAI
from orchestrator.live.pacing import AHEAD_SECONDS
from orchestrator.live.sessions import LiveSessions
from orchestrator.observability.metrics import Metrics
from orchestrator.request_context import NOBODY, client
from tests.support.live_parts import FakeModels, MemorySocket


class Server:
    """Conversations on fake parts."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        (folder / "portraits").mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (200, 150, 100)).save(folder / "portraits" / "ada.png")
        settings = {"outputs_path": folder, "assets_path": folder, "max_text_length": 5000, **changes}
        self.models = FakeModels()
        decoder = ImageDecoder(self.models.decode_gate, 10**6)
        portraits = Portraits(folder / "portraits", decoder)
        self.live = LiveSessions(Settings.model_validate(settings), self.models, portraits, Metrics())

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[MemorySocket]:
        """A conversation whose client leaves at the end of the block; nothing of it goes on then."""
        socket = MemorySocket()
        serving = asyncio.create_task(self.live.serve(socket, OpenAI(), binary=False))
        try:
            yield socket
        finally:
            socket.incoming.put_nowait(None)
            await asyncio.wait_for(serving, 10)
        assert self.live.count == 0
        assert self.models.at_work == 0


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path, max_audio_seconds=1000)


def video_ends(socket: MemorySocket) -> list[int]:
    return [event["video_end_ms"] for event in socket.sent if event["type"] == "response.video.delta"]


async def settled(value: Callable[[], Any]) -> Any:
    """Wait until ``value`` has been the same for a while, and return it."""
    before, same = object(), 0
    for _ in range(500):
        now = value()
        same = same + 1 if now == before else 0
        if same == 20:
            return now
        before = now
        await asyncio.sleep(0.02)
    raise AssertionError("it never stays the same")


async def finished(work: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(work, 10)


async def test_an_interruption_empties_everything(server: Server) -> None:
    """The writer stops writing, voice and face stop, and no fragment follows the word of it."""
    async with server.talking() as socket:
        socket.client_asks("Hello there. FOREVER")
        await socket.until("response.video.delta")
        socket.client_sends("response.cancel")
        await socket.until("response.done")
        assert server.models.at_work == 0
        written = server.models.writer.written
        cleared = [event["type"] for event in socket.sent].index("output_audio_buffer.cleared")
        await asyncio.sleep(0.05)
        assert server.models.writer.written == written
        assert "response.video.delta" not in [event["type"] for event in socket.sent[cleared:]]


async def test_twenty_interruptions_and_an_answer(server: Server) -> None:
    """Nothing is left over that would hinder the twenty-first answer."""
    async with server.talking() as socket:
        for _ in range(20):
            seen = len(socket.sent)
            socket.client_asks("Hello there. FOREVER")
            await socket.until("response.video.delta", seen)
            socket.client_sends("response.cancel")
            done = await socket.until("response.done", seen)
            assert done["response"]["status"] == "cancelled"
        seen = len(socket.sent)
        socket.client_asks("Hello.")
        done = await socket.until("response.done", seen)
        assert done["response"]["status"] == "completed"


async def test_history_without_what_nobody_heard(server: Server) -> None:
    """The writer is told only of the words that were played before the interruption."""
    async with server.talking() as socket:
        socket.client_asks("One two three four five. FOREVER")
        delta = await socket.until("response.video.delta")
        response, item = delta["response_id"], delta["item_id"]
        socket.client_sends("response.cancel")
        await socket.until("response.done")
        fields = {"item_id": item, "content_index": 0, "audio_end_ms": 650}
        socket.client_sends("conversation.item.truncate", **fields)
        await socket.until("conversation.item.truncated")
        seen = len(socket.sent)
        socket.client_asks("Go on.")
        await socket.until("response.done", seen)
        history = server.models.writer.requests[-1].history
        assert [(m.role, m.content) for m in history] == [
            ("user", "One two three four five. FOREVER"),
            ("model", "One two three"),
        ]
        assert response


async def test_sending_stays_within_its_lead(server: Server) -> None:
    """A client that says that it stands still gets no more than the lead; when it plays on, more comes."""
    async with server.talking() as socket:
        socket.client_asks(" ".join(["word"] * 100))
        response = (await socket.until("response.created"))["response"]["id"]
        socket.client_sends("output_audio_buffer.played", response_id=response, audio_end_ms=0)
        await socket.until("response.video.delta")
        held = max(await settled(lambda: video_ends(socket)))
        assert AHEAD_SECONDS <= held / 1000 <= AHEAD_SECONDS + 2.5
        assert server.models.at_work > 0
        for second in range(1, 21):
            socket.client_sends(
                "output_audio_buffer.played", response_id=response, audio_end_ms=1000 * second
            )
            await asyncio.sleep(0.01)
        await socket.until("response.done")
        assert max(video_ends(socket)) == pytest.approx(20_000, abs=200)


async def test_hostile_messages_are_errors_and_no_more(server: Server) -> None:
    """After each of them the conversation goes on; ids of the client come back."""
    hostile: list[tuple[str | bytes, str]] = [
        ("{", "invalid_message"),
        (b"\x00\x00", "invalid_message"),
        ("x" * (MAX_EVENT_BYTES + 1), "event_too_large"),
        ('{"type": "fly"}', "unknown_event"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_audio"),
        ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty"),
        ('{"type": "response.cancel"}', "response_cancel_not_active"),
        ('{"type": "response.create"}', "nothing_to_answer"),
        ('{"type": "agent.speak_end"}', "no_speech"),
        ('{"type": "conversation.item.delete", "item_id": "none"}', "item_not_found"),
        ('{"type": "session.update", "session": {"avatar": {"character": "no"}}}', "invalid_character"),
    ]
    async with server.talking() as socket:
        for message, code in hostile:
            seen = len(socket.sent)
            socket.incoming.put_nowait(message)
            event = await socket.until("error", seen)
            assert event["error"]["code"] == code
        seen = len(socket.sent)
        socket.client_sends("response.cancel", event_id="mine")
        assert (await socket.until("error", seen))["error"]["event_id"] == "mine"
        socket.client_asks("Hello.")
        assert (await socket.until("response.done"))["response"]["status"] == "completed"


async def test_sound_of_the_user_is_bounded(server: Server) -> None:
    """Ten minutes of sound are not kept; what can be recognised by nobody is said to be so."""
    second = base64.b64encode(np.zeros(24_000 * 5, "<i2").tobytes()).decode()
    async with server.talking() as socket:
        for _ in range(13):
            socket.client_sends("input_audio_buffer.append", audio=second)
        assert (await socket.until("error"))["error"]["code"] == "input_audio_buffer_full"
        seen = len(socket.sent)
        socket.client_sends("input_audio_buffer.commit")
        assert (await socket.until("error", seen))["error"]["code"] == "no_recognizer"


async def test_given_speech_has_a_limit(tmp_path: Path) -> None:
    """An agent that sends without end is refused, and what it sent before is still spoken."""
    server = Server(tmp_path, max_audio_seconds=8)
    five = base64.b64encode(np.zeros(24_000 * 5, "<i2").tobytes()).decode()
    async with server.talking() as socket:
        socket.client_sends("agent.speak", audio=five)
        socket.client_sends("agent.speak", audio=five)
        assert (await socket.until("error"))["error"]["code"] == "speech_too_long"
        socket.client_sends("agent.speak_end")
        assert (await socket.until("response.done"))["response"]["status"] == "completed"


async def test_a_conversation_ends_at_its_limits(tmp_path: Path) -> None:
    """Its length and its idleness have limits; the client is told which one it was."""
    for setting, reason in (
        ("max_session_seconds", "session_expired"),
        ("session_idle_seconds", "session_idle"),
    ):
        server = Server(tmp_path, **{setting: 0.2})
        socket = MemorySocket()
        await finished(server.live.serve(socket, OpenAI(), binary=False))
        assert socket.closed == (1000, reason)
        assert socket.sent[-1]["error"]["code"] == reason


async def test_an_answer_without_end_does_not_hold_a_conversation(tmp_path: Path) -> None:
    """At its limit a conversation ends in the middle of an answer, and nothing of it goes on."""
    server = Server(tmp_path, max_session_seconds=0.5)
    socket = MemorySocket()
    serving = asyncio.create_task(server.live.serve(socket, OpenAI(), binary=False))
    socket.client_asks("Hello there. FOREVER")
    await socket.until("response.video.delta")
    await finished(serving)
    assert socket.closed == (1000, "session_expired")
    assert (server.live.count, server.models.at_work) == (0, 0)


async def test_a_client_has_its_share_of_conversations(tmp_path: Path) -> None:
    """An address has half of the places, a key too; who has them is told that they are its own."""
    server = Server(tmp_path, max_live_sessions=5)
    talking: list[tuple[MemorySocket, asyncio.Task[None]]] = []

    async def begins(expected: str) -> dict[str, Any]:
        socket = MemorySocket()
        served = server.live.serve(socket, OpenAI(), binary=False, address="10.0.0.1")
        talking.append((socket, asyncio.create_task(served)))
        return await socket.until(expected)

    async def has_two() -> None:
        for _ in range(2):
            await begins("session.created")
        refusal = await begins("error")
        assert "2 conversations of yours" in refusal["error"]["message"]
        await finished(talking[-1][1])
        assert talking[-1][0].closed == (1013, "too_many_sessions")

    await has_two()
    token = client.set("key storefront")
    await has_two()
    client.reset(token)
    for socket, serving in talking:
        socket.incoming.put_nowait(None)
        await finished(serving)
    assert server.live.count == 0


async def test_a_conversation_waits_for_no_slots(server: Server) -> None:
    """Its frames are wanted at their time: also with a key it counts as nobody where clips share slots."""
    token = client.set("key storefront")
    async with server.talking() as socket:
        socket.client_asks("Hello there.")
        await socket.until("response.done")
    client.reset(token)
    assert server.models.face.clients == {NOBODY}


async def test_a_server_that_stops_says_when_to_come_back(server: Server) -> None:
    """Conversations end in the middle of an answer, with a hint; new ones are refused with a reason."""
    socket = MemorySocket()
    serving = asyncio.create_task(server.live.serve(socket, OpenAI(), binary=False))
    socket.client_asks("Hello there. FOREVER")
    await socket.until("response.video.delta")
    await finished(server.live.stop())
    await finished(serving)
    assert socket.closed == (1012, "server_shutting_down")
    assert socket.sent[-1]["error"]["retry_after_ms"] == 5000
    assert server.models.at_work == 0
    late = MemorySocket()
    await finished(server.live.serve(late, OpenAI(), binary=False))
    assert late.closed == (1012, "server_shutting_down")


async def test_two_conversations_have_nothing_in_common(server: Server) -> None:
    """Each keeps its own history and its own answers."""
    async with server.talking() as one:
        other = MemorySocket()
        serving = asyncio.create_task(server.live.serve(other, OpenAI(), binary=False))
        one.client_asks("Mine.")
        other.client_asks("Yours.")
        await one.until("response.done")
        await other.until("response.done")
        texts = [
            {event["delta"] for event in socket.sent if event["type"].endswith("transcript.delta")}
            for socket in (one, other)
        ]
        assert texts == [{"Mine. "}, {"Yours. "}]
        assert all(not request.history for request in server.models.writer.requests)
        other.incoming.put_nowait(None)
        await finished(serving)
