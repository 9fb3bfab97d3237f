"""Bodies of OpenAI's routes under ``/v1``: speech, voices, models."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.schemas.answers import OpenAIErrorDetail
from orchestrator.schemas.fields import Name
from orchestrator.schemas.generation import LanguageField, Text

SPEEDS: Final = (0.25, 4.0)
"""Least and greatest speed that OpenAI's clients send."""

MODEL_CHARACTERS: Final = 256

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class Lenient(BaseModel):
    """Fields that are not known are no error: clients send those of other servers."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def unknown(self) -> list[str]:
        """Names of the fields that have no effect, sorted."""
        return sorted(self.model_extra or {})


def _voice_name(value: object) -> object:
    """A voice's name, as it is or in an object with an ``id``; an empty one is none."""
    name = value.get("id", value) if isinstance(value, Mapping) else value
    return None if name == "" else name


class VoiceReference(BaseModel):
    id: Name


VoiceName = Annotated[
    Name | None, BeforeValidator(_voice_name, json_schema_input_type=Name | VoiceReference | None)
]


class SpeechRequest(Lenient):
    """A text to speak, as OpenAI's clients send it."""

    input: Text = Field(description="what to say")
    model: Annotated[str, Field(max_length=MODEL_CHARACTERS)] | None = Field(
        None, description="any name; the server's voice part speaks"
    )
    voice: VoiceName = Field(
        None,
        description="id or name of a voice of GET /v1/audio/voices; a name of OpenAI's own voices, or none, "
        "is the default voice",
    )
    instructions: str | None = Field(None, description="without effect, which a warning says")
    response_format: Format | None = Field(
        None, description="mp3 where it is left out; pcm is 16 bit, little endian, mono, at 24 kHz"
    )
    speed: Annotated[float, Field(ge=SPEEDS[0], le=SPEEDS[1], allow_inf_nan=False)] | None = Field(
        None, description="1.0, the normal rate, where it is left out"
    )
    stream_format: Literal["audio", "sse"] | None = Field(
        None, description="audio, the sound itself, where it is left out; sse: events that carry it"
    )
    language: LanguageField = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "tts-1", "input": "Good morning!", "voice": "alloy"},
                {"model": "tts-1", "input": "Good morning!", "voice": {"id": "default"}, "speed": 0.5},
                {"input": "Heard while it is spoken.", "response_format": "opus", "stream_format": "sse"},
            ]
        }
    )


class AudioVoiceRequest(Lenient):
    """A recording for a voice like its speaker's: a form with an upload named ``audio_sample``."""

    files: ClassVar[Mapping[str, int]] = {"audio_sample": 1}
    form_only: ClassVar[bool] = True

    name: Name
    consent: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="the speaker's consent: a statement, or a reference to where it is recorded"
    )
    type: Literal["audio_sample"] | None = Field(None, description="voices are made of recordings alone")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ada", "consent": "signed, 2026-11-02"}]}
    )


class AudioVoice(BaseModel):
    id: str
    object: Literal["audio.voice"] = "audio.voice"
    type: Literal["audio_sample", "builtin"]
    name: str
    created_at: int = Field(description="seconds since 1970; 0 of a built-in voice")


class AudioVoices(BaseModel):
    """The same voices twice: clients look for them under either name."""

    object: Literal["list"] = "list"
    data: list[AudioVoice]
    voices: list[AudioVoice]


class AudioVoiceDeleted(BaseModel):
    id: str
    object: Literal["audio.voice.deleted"] = "audio.voice.deleted"
    deleted: Literal[True] = True


class Model(BaseModel):
    id: str = Field(description="name of a part of the chain")
    object: Literal["model"] = "model"
    created: int = Field(0, description="0: it is not known")
    owned_by: str = "lumen"
    kind: Literal["writer", "voice", "face", "listener"] = Field(
        description="what the part does in the chain"
    )


class Models(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class AudioModels(Models):
    """Models that speak, twice: clients look for them under either name."""

    models: list[Model]


class SpeechUsage(BaseModel):
    """Amount of text and sound; ``tokens`` are characters of text, and steps of 50 ms of sound."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    seconds: float = Field(description="of sound")


class SpeechDelta(BaseModel):
    type: Literal["speech.audio.delta"] = "speech.audio.delta"
    audio: str = Field(description="the next piece of the file, in base64")


class SpeechDone(BaseModel):
    type: Literal["speech.audio.done"] = "speech.audio.done"
    usage: SpeechUsage


class SpeechError(BaseModel):
    type: Literal["error"] = "error"
    error: OpenAIErrorDetail


SPEECH_EVENTS: Final = (SpeechDelta, SpeechDone, SpeechError)
"""Events of speech that is sent as events."""
