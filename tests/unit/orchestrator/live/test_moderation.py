"""The operator's moderation in live conversations: nothing of a refused sentence is told, spoken or drawn."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.moderation.moderators import Subject
from tests.unit.orchestrator.live.test_session import Server

asked: list[tuple[str, str]] = []


def check(subject: Subject) -> str | None:
    """Refuse a word in what is replied, and another one in what is asked."""
    asked.append((subject.where, subject.text))
    word = "swordfish" if subject.where == "reply" else "forbidden"
    return "not here" if word in subject.text else None


@pytest.fixture
def server(tmp_path: Path) -> Server:
    asked.clear()
    return Server(tmp_path, moderation=f"{__name__}:check")


def told(events: list[dict[str, Any]]) -> str:
    """All text that a client was told."""
    return "".join(
        str(event.get("delta", "")) + str(event.get("text", ""))
        for event in events
        if "output_audio.delta" not in event["type"]
    )


@pytest.mark.parametrize("response", [{}, {"output_modalities": ["text"]}])
async def test_a_reply_is_checked_before_it_is_spoken(server: Server, response: dict[str, Any]) -> None:
    """Sentence by sentence; what was allowed is heard, and the answer fails at the first that is refused."""
    async with server.talking() as socket:
        socket.client_asks("All is well. The swordfish is next. And more.", **response)
        done = await socket.until("response.done")
    failure = done["response"]["status_details"]["error"]
    assert (done["response"]["status"], failure["code"]) == ("failed", "ContentRefusedException")
    assert "reply: the operator's moderation refuses it: not here" in failure["message"]
    assert "All is well." in told(socket.sent)
    assert not {"swordfish", "more"} & set(told(socket.sent).replace(".", " ").split())
    assert [text.strip() for where, text in asked if where == "reply"] == [
        "All is well.",
        "The swordfish is next.",
    ]


async def test_an_answer_that_is_allowed_is_whole(server: Server) -> None:
    """The transcript is what the writer wrote."""
    async with server.talking() as socket:
        socket.client_asks("All is well. It stays so, e.g. today.")
        done = await socket.until("response.done")
    content = done["response"]["output"][0]["content"][0]
    assert content["transcript"] == "All is well. It stays so, e.g. today."


@pytest.mark.parametrize("field", ["conversation_history", "prompt"])
async def test_what_is_asked_is_checked(server: Server, field: str) -> None:
    """A prompt that is refused, or words on how to answer it, reach no writer."""
    async with server.talking() as socket:
        if field == "conversation_history":
            session = {"type": "realtime", "instructions": "Say what is forbidden."}
            socket.client_sends("session.update", session=session)
        socket.client_asks("Something forbidden." if field == "prompt" else "Hello.")
        done = await socket.until("response.done")
    assert field in done["response"]["status_details"]["error"]["message"]
    assert server.models.writer.requests == []


async def test_without_a_moderator_text_comes_as_it_is_written(tmp_path: Path) -> None:
    """No sentence is waited for."""
    server = Server(tmp_path)
    async with server.talking() as socket:
        socket.client_asks("One two three.")
        await socket.until("response.done")
    deltas = [e["delta"] for e in socket.sent if e["type"] == "response.output_audio_transcript.delta"]
    assert deltas == ["One ", "two ", "three. "]
