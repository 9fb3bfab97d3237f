"""Server events in OpenAI's names; `orchestrator.live.dialects` gives Voice Live its own."""

import itertools
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.live.conversation import Item

Event = dict[str, Any]

SERVER_ERROR: Final = "server_error"
INVALID_REQUEST: Final = "invalid_request_error"


def new_id(kind: str) -> str:
    """Make an identifier, such as ``resp_1f0c9a…``, that is not guessed."""
    return f"{kind}_{secrets.token_hex(12)}"


class EventIds:
    """Identifiers of one session's events, in order."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = itertools.count(1)

    def stamp(self, event: Event) -> Event:
        """Add an ``event_id``."""
        return {"type": event["type"], "event_id": f"event_{next(self._numbers)}", **event}


def error(
    kind: str, code: str, message: str, param: str | None = None, event_id: str | None = None, **more: Any
) -> Event:
    """Make an ``error``; ``event_id`` is the client's own."""
    details = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
    return {"type": "error", "error": {**details, **more}}


def item_object(item: Item) -> dict[str, Any]:
    """Describe an item of the conversation."""
    kinds = {"user": "input_text", "system": "input_text", "assistant": "output_text"}
    if item.spoken:
        kind = "output_audio" if item.role == "assistant" else "input_audio"
        content: dict[str, Any] = {"type": kind, "transcript": item.text}
    else:
        content = {"type": kinds[item.role], "text": item.text}
    return {
        "id": item.id,
        "object": "realtime.item",
        "type": "message",
        "role": item.role,
        "status": item.status,
        "content": [content],
    }


def item_event(kind: str, item: Item, previous: str | None) -> Event:
    """Make a ``conversation.item.added`` or ``.done``."""
    return {
        "type": f"conversation.item.{kind}",
        "previous_item_id": previous,
        "item": item_object(item),
    }


def response_object(
    response_id: str, status: str, fields: Mapping[str, Any], details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describe a response; ``fields`` are those that do not change while it is made."""
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": None if details is None else {"type": status, **details},
        "output": [],
        "usage": None,
        **fields,
    }


def part_of(kind: str, text: str) -> dict[str, str]:
    """Describe a content part: ``audio`` with its transcript, or ``text``."""
    return {"type": kind, "transcript" if kind == "audio" else "text": text}
