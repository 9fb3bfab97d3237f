"""The starter's voices in a live conversation, in front of a real Triton with both."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketTestSession

from lumen.contracts import ESPEAK, HIBARI
from lumen.settings import PROJECT_ROOT, Settings
from lumen.triton.server import TritonServer
from orchestrator.live.client_events import PCM_RATE
from orchestrator.main import create_app

pytestmark = pytest.mark.triton

MAX_EVENTS = 500


@pytest.fixture
def socket(
    triton: Callable[[Path, list[str]], TritonServer], tmp_path: Path
) -> Iterator[WebSocketTestSession]:
    """A conversation with the starter's settings, whose session is created."""
    server = triton(PROJECT_ROOT / "model_repository", [HIBARI, ESPEAK])
    folders = {"outputs_path": tmp_path / "outputs", "logs_path": tmp_path / "logs"}
    settings = Settings.model_validate({"writer": "echo", "triton_url": server.grpc_url, **folders})
    with (
        TestClient(create_app(settings)) as client,
        client.websocket_connect("/v1/realtime") as opened,
    ):
        _until(opened, "session.created")
        yield opened


def _until(socket: WebSocketTestSession, kind: str) -> list[dict[str, Any]]:
    """Events up to the first of this type."""
    events: list[dict[str, Any]] = []
    while len(events) < MAX_EVENTS:
        events.append(socket.receive_json())
        if events[-1]["type"] == kind:
            return events
    raise AssertionError(f"no {kind} among {MAX_EVENTS} events")


@pytest.mark.parametrize(
    ("language", "text", "part"),
    [("en", "Good morning to you.", "hibari"), ("de", "Guten Morgen zusammen.", "espeak")],
)
def test_an_answer_is_spoken_by_the_part_of_its_language(
    socket: WebSocketTestSession, language: str, text: str, part: str
) -> None:
    """The session names the part, which gets its own inputs, and its sound has its own rate."""
    session = {"type": "realtime", "language": language, "output_modalities": ["audio"]}
    socket.send_json({"type": "session.update", "session": session})
    assert _until(socket, "session.updated")[-1]["session"]["parts"]["voice"] == part
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    socket.send_json({"type": "conversation.item.create", "item": item})
    socket.send_json({"type": "response.create"})
    events = _until(socket, "response.done")
    assert events[-1]["response"]["status"] == "completed", events[-1]
    sound = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
    seconds = sum(len(base64.b64decode(piece)) for piece in sound) / 2 / PCM_RATE
    assert 1 < seconds < 3
