"""Events of hostile and careless clients."""

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest

from orchestrator.live import client_events as events
from orchestrator.live.client_events import MAX_EVENT_BYTES, ClientEventError, parse, pcm_of, read_message


def refused(fields: dict[str, Any]) -> ClientEventError:
    with pytest.raises(ClientEventError) as refusal:
        parse(fields)
    return refusal.value


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[]",
        '"text"',
        "[" * 100_000,
        '{"a":' * 9_000 + "1" + "}" * 9_000,
        b"",
        b"\x00",
        struct.pack(">I", 10) + b"{}",
        struct.pack(">I", 2) + b"\xff\xfe",
    ],
)
def test_what_is_no_event(message: str | bytes) -> None:
    """Broken JSON, deep JSON, other JSON and broken frames are refused by name, never by a traceback."""
    with pytest.raises(ClientEventError) as refusal:
        read_message(message)
    assert refusal.value.code == "invalid_message"


def test_ten_megabytes_of_audio() -> None:
    """A message over the limit is refused before it is parsed."""
    audio = base64.b64encode(bytes(10 * 2**20)).decode()
    with pytest.raises(ClientEventError, match="at most 1048576"):
        read_message(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    assert MAX_EVENT_BYTES == 2**20


@pytest.mark.parametrize("kind", [None, 5, "", "response.delete", "x" * 10_000, ["response.create"]])
def test_unknown_types(kind: Any) -> None:
    """An unknown type is told back in short, with the client's own id."""
    refusal = refused({"type": kind, "event_id": "mine"})
    assert (refusal.code, refusal.event_id) == ("unknown_event", "mine")
    assert len(refusal.message) < 300


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"type": "session.update"}, "session"),
        (
            {"type": "session.update", "session": {"audio": {"output": {"speed": 9}}}},
            "session.audio.output.speed",
        ),
        (
            {"type": "session.update", "session": {"avatar": {"video": {"codec": "vp9"}}}},
            "session.avatar.video.codec",
        ),
        (
            {"type": "session.update", "session": {"avatar": {"output_protocol": "webrtc"}}},
            "session.avatar.output_protocol",
        ),
        ({"type": "session.update", "session": {"output_modalities": []}}, "session.output_modalities"),
        ({"type": "session.update", "session": {"instructions": "x" * 8001}}, "session.instructions"),
        ({"type": "conversation.item.create", "item": {"type": "message", "role": "user"}}, "item.content"),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": -1},
            "audio_end_ms",
        ),
        ({"type": "conversation.item.delete", "item_id": "../../etc"}, "item_id"),
        ({"type": "output_audio_buffer.played", "response_id": "a", "audio_end_ms": 1e12}, "audio_end_ms"),
    ],
)
def test_fields_that_are_not_as_they_must_be(fields: dict[str, Any], param: str) -> None:
    """The field is named; what was sent is not repeated."""
    refusal = refused(fields)
    assert refusal.code == "invalid_value"
    assert refusal.param is not None
    assert refusal.param.startswith(param)


def test_what_other_servers_take() -> None:
    """Fields without an effect here are ignored: SDKs send them without asking."""
    session = {
        "type": "realtime",
        "tools": [],
        "tracing": "auto",
        "audio": {"input": {"turn_detection": None}},
    }
    event = parse({"type": "session.update", "session": session})
    assert isinstance(event, events.SessionUpdate)
    assert event.session.avatar is None


@pytest.mark.parametrize("voice", ["m1", {"id": "m1"}, {"type": "azure-custom", "name": "m1"}])
def test_a_voice_in_any_form(voice: Any) -> None:
    """OpenAI and Azure name voices in strings and in objects."""
    event = parse({"type": "session.update", "session": {"audio": {"output": {"voice": voice}}}})
    assert isinstance(event, events.SessionUpdate)
    assert event.session.audio is not None
    assert event.session.audio.output is not None
    assert event.session.audio.output.voice == "m1"


def test_sound_in_both_forms() -> None:
    """Base64 and bytes give the same samples; what is neither is refused."""
    pcm = np.array([0, 16_384, -32_768], "<i2").tobytes()
    expected = [0.0, 0.5, -1.0]
    assert pcm_of(base64.b64encode(pcm).decode()).tolist() == expected
    header = json.dumps({"type": "agent.speak"}).encode()
    event = parse(read_message(struct.pack(">I", len(header)) + header + pcm))
    assert isinstance(event, events.AgentSpeak)
    assert pcm_of(event.audio).tolist() == expected
    for audio in ("no base64!", "AAAA=", b"odd", "QUJD"):
        with pytest.raises(ClientEventError) as refusal:
            pcm_of(audio)
        assert refusal.value.code == "invalid_audio"
