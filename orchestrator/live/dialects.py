"""Names of events: OpenAI's, which everything here uses, and Voice Live's, mapped on their way in and out."""

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

Event = dict[str, Any]

AZURE_EVENTS: Final[dict[str, str | None]] = {
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": None,
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
"""Voice Live's names of server events where they differ; None where it has no such event."""

AZURE_SESSION: Final = ("modalities", "voice", "turn_detection")
"""Fields of Voice Live's session that have another place in OpenAI's."""

AZURE_PARTS: Final = {"output_text": "text", "output_audio": "audio"}
"""Voice Live's names of content parts where they differ."""

OPENAI_VOICES: Final = frozenset(
    {
        *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage"),
        *("shimmer", "verse"),
    }
)
"""OpenAI's own voices; clients name them without asking whether they are there."""

AZURE_VOICE: Final = re.compile(r"([a-z]{2,3})-[A-Z]{2}-\w+(?::\w+)?Neural")
"""A voice of Azure's, with its language."""


class Dialect(Protocol):
    """Names that a client uses."""

    cancels_previous: bool
    """Whether a new response cancels the one that is being made where a client does not say."""

    def read(self, event: Mapping[str, Any]) -> Event:
        """Translate a client's event into OpenAI's names."""
        ...

    def write(self, event: Event) -> Event | None:
        """Translate a server's event out of OpenAI's names; None where there is no such event."""
        ...


class OpenAI:
    """OpenAI's names."""

    cancels_previous = False

    def read(self, event: Mapping[str, Any]) -> Event:
        return dict(event)

    def write(self, event: Event) -> Event | None:
        return event


class VoiceLive:
    """Names of Azure's Voice Live, those before OpenAI's general availability."""

    cancels_previous = True

    def read(self, event: Mapping[str, Any]) -> Event:
        fields = dict(event)
        if isinstance(session := fields.get("session"), dict):
            fields["session"] = _session_in(session)
        if isinstance(response := fields.get("response"), dict):
            fields["response"] = _response_in(response)
        return fields

    def write(self, event: Event) -> Event | None:
        name = AZURE_EVENTS.get(event["type"], event["type"])
        if name is None:
            return None
        fields = {**event, "type": name}
        if "session" in fields:
            fields["session"] = _session_out(fields["session"])
        if "response" in fields:
            fields["response"] = _response_out(fields["response"])
        if "item" in fields:
            fields["item"] = _item_out(fields["item"])
        return fields


def known_voice(name: str, default: str) -> tuple[str, str | None]:
    """The voice that a name means, and its language where the name has one.

    A name of OpenAI's or Azure's own voices means the ``default``.
    """
    if name.lower() in OPENAI_VOICES:
        return default, None
    if match := AZURE_VOICE.fullmatch(name):
        return default, match[1]
    return name, None


def _session_in(session: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in session.items() if name not in AZURE_SESSION}
    if "modalities" in session:
        fields["output_modalities"] = session["modalities"]
    audio: dict[str, Any] = {}
    if "voice" in session:
        audio["output"] = {"voice": session["voice"]}
    if "turn_detection" in session:
        audio["input"] = {"turn_detection": session["turn_detection"]}
    return {**fields, "audio": audio} if audio else fields


def _response_in(response: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(response)
    for theirs, ours in (("modalities", "output_modalities"), ("input_items", "input")):
        if theirs in fields:
            fields[ours] = fields.pop(theirs)
    return fields


def _session_out(session: Mapping[str, Any]) -> dict[str, Any]:
    heard, output = session["audio"]["input"], session["audio"]["output"]
    fields = {name: value for name, value in session.items() if name not in ("audio", "output_modalities")}
    avatar = ["avatar"] if session["avatar"] is not None else []
    return {
        **fields,
        "modalities": [*dict.fromkeys([*session["output_modalities"], *avatar])],
        "voice": {"type": "azure-standard", "name": output["voice"]},
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "turn_detection": heard["turn_detection"],
        "input_audio_transcription": heard["transcription"],
    }


def _response_out(response: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in response.items() if name not in ("audio", "output_modalities")}
    output = [_item_out(item) for item in response["output"]]
    return {**fields, "modalities": response.get("output_modalities", []), "output": output}


def _item_out(item: Mapping[str, Any]) -> dict[str, Any]:
    content = [{**part, "type": AZURE_PARTS.get(part["type"], part["type"])} for part in item["content"]]
    return {**item, "content": content}
