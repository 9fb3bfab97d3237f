"""Request bodies of ``/api/generate``."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, FailFast, Field, ValidationInfo

from lumen import registry
from lumen.contracts import MAX_SEED
from lumen.families.description import DEFAULT_VOICE, SPEEDS
from lumen.text.characters import printable
from orchestrator.schemas.fields import (
    FACE_OPTIONS,
    AudioFormat,
    ClipFields,
    Name,
    RetainSeconds,
    Strict,
    readable,
)
from orchestrator.schemas.options import uploads_of, with_options

VOICE_OPTIONS: Final = registry.options_by_name(registry.voices())
"""Options of all voices: bodies take them, and the served voice refuses those of others by name."""


SEEDED_VOICES: Final = ", ".join(name for name, family in registry.voices().items() if family.seeded)


HISTORY_MESSAGES: Final = 50
"""Messages of a conversation that a writer is told, the latest ones."""


HISTORY_CHARACTERS: Final = 8_000
"""Characters of such a message that a writer is told."""


URL_CHARACTERS: Final = 300
"""Characters of an audio_url."""


DEFAULT_MAX_TEXT: Final = 500
"""Used where no settings say otherwise, as in the published schema."""


def _within_limit(text: str, info: ValidationInfo) -> str:
    """Refuse text over the ``max_text_length`` of the validation context."""
    limit = (info.context or {}).get("max_text_length", DEFAULT_MAX_TEXT)
    if len(text) > limit:
        raise ValueError(f"has {len(text)} characters; at most {limit} are taken")
    return text


Text = Annotated[str, AfterValidator(_within_limit), AfterValidator(readable)]
"""Text to be written or spoken; bounded by the settings."""


Temperature = Annotated[
    float, Field(ge=0, le=2, allow_inf_nan=False, description="0 is the most predictable, 2 the most varied")
]


MaxTokens = Annotated[int, Field(ge=1, le=8192, description="tokens that the reply may have at most")]


Speed = Annotated[
    float, Field(ge=SPEEDS[0], le=SPEEDS[1], allow_inf_nan=False, description="1.0 is the normal rate")
]


TtsSeed = Annotated[
    int, Field(ge=0, le=MAX_SEED, description=f"the same seed makes the same speech; for {SEEDED_VOICES}")
]


def _shortened(content: object) -> object:
    """Shorten a message of the conversation: a writer's reply is taken back however long or odd it is."""
    return printable(content)[:HISTORY_CHARACTERS].strip() if isinstance(content, str) else content


class Message(Strict):
    """A message of the conversation so far."""

    role: Literal["user", "assistant", "model"] = Field(description="assistant and model mean the same")
    content: Annotated[
        str,
        BeforeValidator(_shortened, json_schema_input_type=str),
        Field(description=f"only its first {HISTORY_CHARACTERS} characters count"),
    ]


def _latest(messages: list[Message]) -> list[Message]:
    """The messages that have text, ``HISTORY_MESSAGES`` of them at most."""
    return [message for message in messages if message.content][-HISTORY_MESSAGES:]


History = Annotated[
    list[Message],
    FailFast(),  # a list of a hundred thousand wrong messages is told by the first
    AfterValidator(_latest),
    Field(description=f"oldest message first; only the last {HISTORY_MESSAGES} count"),
]


@with_options(VOICE_OPTIONS)
class SamplingFields(Strict):
    """Sampling of a voice that draws its speech by chance; options left out have the checkpoint's default."""


LanguageField = Annotated[
    Name | None, Field(description="such as en, en-us, de, fr, zh; that of the text where it is left out")
]


VoiceField = Annotated[Name, Field(description="id or name of a voice that GET /api/voices lists")]


SamplingField = Annotated[
    SamplingFields | None, Field(description=f"for a voice that draws by chance: {SEEDED_VOICES}")
]


class TextRequest(Strict):
    """A prompt for the writer."""

    prompt: Text = Field(description="what to answer")
    temperature: Temperature = 0.7
    max_tokens: MaxTokens = 1024
    conversation_history: History = Field(default_factory=list)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prompt": "Tell me about AI",
                    "temperature": 0.7,
                    "max_tokens": 1024,
                    "conversation_history": [
                        {"role": "user", "content": "Hello!"},
                        {"role": "assistant", "content": "Hello! What would you like to know?"},
                    ],
                }
            ]
        }
    )


class TtsRequest(Strict):
    """Text for the voice."""

    text: Text = Field(description="what to say")
    language: LanguageField = None
    voice: VoiceField = DEFAULT_VOICE
    speed: Speed = 1.0
    sampling: SamplingField = None
    seed: TtsSeed | None = None
    audio_format: AudioFormat | None = None
    retain_seconds: RetainSeconds | None = None
    stream: bool = Field(
        False, description="audio in chunks while it is being made, of the kind that Accept names"
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "Good morning!", "language": "en", "speed": 1.0},
                {"text": "Guten Morgen!", "language": "de", "speed": 0.9},
                {"text": "Heard while it is spoken.", "stream": True},
            ]
        }
    )


CLIP_FILES: Final = {"portrait_file": 1, **uploads_of(FACE_OPTIONS)}
"""Uploads for a clip: a portrait, and files that are options of a face."""


VideoStream = Annotated[
    bool,
    Field(description="the video itself, fragmented MP4, while it is made; its file is there at the end"),
]


Background = Annotated[
    bool,
    Field(description="answer at once: GET /v1/videos/{id} tells how far it is; as `Prefer: respond-async`"),
]


class VideoRequest(ClipFields):
    """Speech for the face: an address of earlier speech or, as a form, an upload named ``audio``; or none."""

    files: ClassVar[Mapping[str, int]] = {"audio": 1, **CLIP_FILES}

    audio_url: Annotated[str, Field(max_length=URL_CHARACTERS)] | None = Field(
        None, description="the audio_url of an earlier response, such as /outputs/audio/<output_id>.wav"
    )
    stream: VideoStream = False
    background: Background = False
    idle_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="in place of audio: a clip of so many seconds in which nobody speaks"
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"portrait": "ada", "idle_seconds": 4},
                {"portrait": "ada", "size": 256, "seed": 7, "idle_seconds": 2.5},
            ]
        }
    )


class FullRequest(ClipFields, TextRequest):
    """A prompt for the whole chain; as a form, with a portrait uploaded as ``portrait_file``."""

    files: ClassVar[Mapping[str, int]] = CLIP_FILES

    language: LanguageField = None
    voice: VoiceField = DEFAULT_VOICE
    speed: Speed = 1.0
    sampling: SamplingField = None
    audio_format: AudioFormat | None = None
    stream: VideoStream = False
    background: Background = False

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "Hello! How are you?", "conversation_history": []},
                {"prompt": "Wie geht es dir?", "language": "de", "portrait": "ada", "size": 256, "seed": 7},
            ]
        }
    )
