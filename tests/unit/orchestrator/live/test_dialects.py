"""Voice Live's names, in and out."""

import pytest

from orchestrator.live.dialects import VoiceLive, known_voice


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("response.output_audio.delta", "response.audio.delta"),
        ("response.output_text.delta", "response.text.delta"),
        ("response.output_audio_transcript.done", "response.audio_transcript.done"),
        ("conversation.item.added", "conversation.item.created"),
        ("response.video.delta", "response.video.delta"),
    ],
)
def test_events_out(ours: str, theirs: str) -> None:
    """Names differ where Voice Live kept those from before general availability."""
    assert VoiceLive().write({"type": ours, "delta": "x"}) == {"type": theirs, "delta": "x"}


def test_an_event_that_it_has_not() -> None:
    """The end of an item's adding has no name there."""
    assert VoiceLive().write({"type": "conversation.item.done", "item": {}}) is None


def test_a_session_in() -> None:
    """Voice and modalities lie elsewhere."""
    session = {"modalities": ["text", "audio"], "voice": {"type": "openai", "name": "alloy"}, "avatar": {}}
    read = VoiceLive().read({"type": "session.update", "session": session})
    assert read["session"] == {
        "output_modalities": ["text", "audio"],
        "audio": {"output": {"voice": {"type": "openai", "name": "alloy"}}},
        "avatar": {},
    }


def test_content_parts_out() -> None:
    """Parts of an item have shorter names."""
    item = {"id": "a", "content": [{"type": "output_audio", "transcript": "x"}]}
    event = VoiceLive().write({"type": "response.output_item.done", "item": item})
    assert event is not None
    assert event["item"]["content"] == [{"type": "audio", "transcript": "x"}]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alloy", ("default", None)),
        ("Marin", ("default", None)),
        ("en-US-AvaNeural", ("default", "en")),
        ("de-DE-Seraphina:DragonHDLatestNeural", ("default", "de")),
        ("m1", ("m1", None)),
    ],
)
def test_voices_of_others(name: str, expected: tuple[str, str | None]) -> None:
    """Names of OpenAI's and Azure's voices mean the default, an Azure one with its language."""
    assert known_voice(name, "default") == expected
