"""Client events: parsed, bounded and checked before anything is done for them."""

import base64
import binascii
import json
import re
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from lumen.families.description import SPEEDS
from lumen.text.characters import printable

MAX_EVENT_BYTES: Final = 2**20
"""Size of a message, binary or text: 16 s of sound in base64."""

MAX_NESTING: Final = 32
"""Depth of an event's JSON, far below what Python's parser takes."""

PCM_RATE: Final = 24_000
"""Samples per second of sound on the socket, both ways: PCM16, little endian, mono."""

MAX_INSTRUCTIONS: Final = 8_000
"""Characters of instructions."""

MAX_INPUT_ITEMS: Final = 50
"""Items that one response may be given as its input."""

IDENTIFIER: Final = r"^[A-Za-z0-9_.:-]+$"
BRACKETS: Final = re.compile(r"[\[{]")

HEADER: Final = struct.Struct(">I")
"""Length of the JSON that a binary message begins with."""


class ClientEventError(Exception):
    """Refusal of a client's event; the session goes on.

    Attributes:
        code: as in an ``error`` event. param: the field that is meant. event_id: the client's own.
    """

    def __init__(
        self, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.param, self.event_id = code, message, param, event_id


class _Fields(BaseModel):
    """Fields of other servers are ignored: clients send them whether they have an effect or not."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


Id = Annotated[str, Field(min_length=1, max_length=128, pattern=IDENTIFIER)]
Milliseconds = Annotated[int, Field(ge=0, le=24 * 3600 * 1000)]
ShortText = Annotated[str, Field(min_length=1, max_length=128)]
Instructions = Annotated[str, Field(max_length=MAX_INSTRUCTIONS), BeforeValidator(printable)]


def _voice_name(value: object) -> object:
    """A voice's name, as it is or in an object: OpenAI's has an ``id``, Azure's a ``name``."""
    if isinstance(value, Mapping):
        return value.get("id", value.get("name"))
    return value


VoiceName = Annotated[ShortText, BeforeValidator(_voice_name)]


class AudioOutput(_Fields):
    voice: VoiceName | None = None
    speed: Annotated[float, Field(ge=SPEEDS[0], le=SPEEDS[1], allow_inf_nan=False)] | None = None


class AudioFormat(_Fields):
    type: Literal["audio/pcm"]
    rate: Literal[24_000] | None = None


class TurnFields(_Fields):
    """Turn detection; that by meaning is taken for that by silence."""

    type: Literal[
        "server_vad",
        "semantic_vad",
        "azure_semantic_vad",
        "azure_semantic_vad_en",
        "azure_semantic_vad_multilingual",
    ]
    threshold: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5_000)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=100, le=10_000)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class AudioInput(_Fields):
    format: AudioFormat | None = None
    turn_detection: TurnFields | None = None


class Audio(_Fields):
    input: AudioInput | None = None
    output: AudioOutput | None = None


class Resolution(_Fields):
    width: Annotated[int, Field(ge=16, le=8192)]
    height: Annotated[int, Field(ge=16, le=8192)]


class Video(_Fields):
    codec: Literal["h264"] | None = None
    resolution: Resolution | None = None


class Avatar(_Fields):
    character: ShortText | None = None
    video: Video | None = None
    output_protocol: Literal["websocket"] | None = None
    output_audit_audio: bool | None = None


Modalities = Annotated[
    list[Literal["text", "audio", "avatar", "animation"]], Field(min_length=1, max_length=4)
]


class SessionFields(_Fields):
    instructions: Instructions | None = None
    language: ShortText | None = None
    output_modalities: Modalities | None = None
    audio: Audio | None = None
    avatar: Avatar | None = None


class SessionUpdate(_Fields):
    type: Literal["session.update"]
    session: SessionFields


class Content(_Fields):
    """Read one part of a message; sound in it is taken for its transcript."""

    type: Literal["input_text", "output_text", "text", "input_audio", "output_audio", "audio"]
    text: str | None = None
    transcript: str | None = None


class Item(_Fields):
    id: Id | None = None
    type: Literal["message"]
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Content], Field(min_length=1, max_length=16)]

    @property
    def text(self) -> str:
        """All its text."""
        parts = [part.text or part.transcript or "" for part in self.content]
        return printable("\n".join(part for part in parts if part)).strip()


class ItemCreate(_Fields):
    type: Literal["conversation.item.create"]
    previous_item_id: Annotated[str, Field(max_length=128)] | None = None
    item: Item


class ItemDelete(_Fields):
    type: Literal["conversation.item.delete"]
    item_id: Id


class ItemRetrieve(_Fields):
    type: Literal["conversation.item.retrieve"]
    item_id: Id


class ItemTruncate(_Fields):
    type: Literal["conversation.item.truncate"]
    item_id: Id
    content_index: Annotated[int, Field(ge=0, le=0)]
    audio_end_ms: Milliseconds


class ResponseFields(_Fields):
    instructions: Instructions | None = None
    output_modalities: Modalities | None = None
    input: Annotated[list[Item], Field(max_length=MAX_INPUT_ITEMS)] | None = None
    conversation: Annotated[str, Field(max_length=128)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=8192)] | Literal["inf"] | None = None
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] | None = (
        Field(None, max_length=16)
    )
    cancel_previous: bool | None = None


class ResponseCreate(_Fields):
    type: Literal["response.create"]
    response: ResponseFields | None = None


class ResponseCancel(_Fields):
    type: Literal["response.cancel"]
    response_id: Id | None = None


class OutputClear(_Fields):
    type: Literal["output_audio_buffer.clear"]


class Played(_Fields):
    """Acknowledgement of the play position."""

    type: Literal["output_audio_buffer.played"]
    response_id: Id
    audio_end_ms: Milliseconds


class InputAppend(_Fields):
    type: Literal["input_audio_buffer.append"]
    audio: str | bytes


class InputCommit(_Fields):
    type: Literal["input_audio_buffer.commit"]


class InputClear(_Fields):
    type: Literal["input_audio_buffer.clear"]


class AgentSpeak(_Fields):
    """A piece of finished speech for the face."""

    type: Literal["agent.speak"]
    audio: str | bytes


class AgentSpeakEnd(_Fields):
    type: Literal["agent.speak_end"]


class AgentInterrupt(_Fields):
    type: Literal["agent.interrupt"]


ClientEvent = (
    SessionUpdate
    | ItemCreate
    | ItemDelete
    | ItemRetrieve
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | OutputClear
    | Played
    | InputAppend
    | InputCommit
    | InputClear
    | AgentSpeak
    | AgentSpeakEnd
    | AgentInterrupt
)

_EVENTS: Final[TypeAdapter[ClientEvent]] = TypeAdapter(Annotated[ClientEvent, Field(discriminator="type")])


def read_message(message: str | bytes) -> dict[str, Any]:
    """Read a message: JSON, or binary with its media behind the JSON.

    Raises:
        ClientEventError: it is too large, or no JSON object.
    """
    if len(message) > MAX_EVENT_BYTES:
        size = f"{len(message)} bytes; at most {MAX_EVENT_BYTES}"
        raise ClientEventError("event_too_large", f"The message has {size} are taken, send shorter pieces.")
    if isinstance(message, str):
        return _read_json(message)
    if len(message) < HEADER.size:
        raise ClientEventError("invalid_message", "A binary message begins with the length of its JSON.")
    (length,) = HEADER.unpack_from(message)
    end = HEADER.size + length
    if end > len(message):
        raise ClientEventError("invalid_message", f"{length} bytes of JSON are announced, fewer came.")
    return {**_read_json(message[HEADER.size : end]), "audio": message[end:]}


def parse(fields: Mapping[str, Any]) -> ClientEvent:
    """Check an event in OpenAI's names.

    Raises:
        ClientEventError: its type is unknown, or a field is not as it must be.
    """
    event_id = _event_id(fields)
    try:
        return _EVENTS.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"].startswith("union_tag"):
            kind = fields.get("type")
            shown = repr(printable(kind)[:80]) if isinstance(kind, str) else "missing"
            message = f"The event's type is {shown}; docs/live.md lists those that are taken."
            raise ClientEventError("unknown_event", message, "type", event_id) from None
        param = ".".join(str(part) for part in first["loc"][1:])[:200]
        raise ClientEventError("invalid_value", f"{param}: {first['msg']}"[:500], param, event_id) from None


def pcm_of(audio: str | bytes) -> npt.NDArray[np.float32]:
    """Decode PCM16 in base64 or as it is: float32 [n_samples] in -1..1, at ``PCM_RATE``.

    Raises:
        ClientEventError: it is no base64, or ends within a sample.
    """
    try:
        data = base64.b64decode(audio, validate=True) if isinstance(audio, str) else audio
    except (binascii.Error, ValueError):
        raise ClientEventError("invalid_audio", "audio: is no base64", "audio") from None
    if len(data) % 2:
        raise ClientEventError("invalid_audio", "audio: ends within a sample of 16 bits", "audio")
    return np.frombuffer(data, "<i2").astype(np.float32) / 32_768


def _read_json(text: str | bytes) -> dict[str, Any]:
    try:
        shown = text if isinstance(text, str) else text.decode()
        if len(BRACKETS.findall(shown)) > 10_000:
            raise ClientEventError("invalid_message", "The message has over 10000 objects and lists.")
        fields = json.loads(shown)
    except (ValueError, RecursionError):
        raise ClientEventError("invalid_message", "The message is no JSON in UTF-8.") from None
    if not isinstance(fields, dict):
        raise ClientEventError("invalid_message", "The message is no JSON object.")
    return fields


def _event_id(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("event_id")
    return value[:128] if isinstance(value, str) else None
