"""Bodies of requests and responses."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationInfo
from typing_extensions import TypedDict

from lumen import errors, registry
from lumen.contracts import MAX_SEED
from lumen.families.description import DEFAULT_VOICE, SPEEDS
from lumen.families.xtts.family import MAX_RECORDINGS
from lumen.text.characters import printable
from orchestrator.schemas.fields import FACE_OPTIONS, CropFields, Name, SceneFields, Strict, readable
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

ERROR_NAMES: Final = (
    *errors.names(),
    "InternalServerException",
    "MethodNotAllowedException",
    "RangeNotSatisfiableException",
)
"""Names of all errors: those of the tree, and what the server adds."""

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


SCENE_FILES: Final = {"portrait_file": 1, **uploads_of(FACE_OPTIONS)}
"""Uploads for a clip: a portrait, and files that are options of a face."""


VideoStream = Annotated[
    bool,
    Field(description="the video itself, fragmented MP4, while it is made; its file is there at the end"),
]


class VideoRequest(SceneFields):
    """Speech for the face: an address of earlier speech or, as a form, an upload named ``audio``; or none."""

    files: ClassVar[Mapping[str, int]] = {"audio": 1, **SCENE_FILES}

    audio_url: Annotated[str, Field(max_length=URL_CHARACTERS)] | None = Field(
        None, description="the audio_url of an earlier response, such as /outputs/audio/<request_id>.wav"
    )
    stream: VideoStream = False
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


class FullRequest(SceneFields, TextRequest):
    """A prompt for the whole chain; as a form, with a portrait uploaded as ``portrait_file``."""

    files: ClassVar[Mapping[str, int]] = SCENE_FILES

    language: LanguageField = None
    voice: VoiceField = DEFAULT_VOICE
    speed: Speed = 1.0
    sampling: SamplingField = None
    stream: VideoStream = False

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "Hello! How are you?", "conversation_history": []},
                {"prompt": "Wie geht es dir?", "language": "de", "portrait": "ada", "size": 256, "seed": 7},
            ]
        }
    )


class VoiceRequest(Strict):
    """Recordings of somebody's speech for a voice like theirs: a form with uploads named ``audio``.

    WAV, FLAC, MP3, OGG, Opus, M4A, AAC, AMR, AIFF, CAF or WebM of any rate and channels; 3 to 60 s of speech
    in all, as the server's limits say.
    """

    files: ClassVar[Mapping[str, int]] = {"audio": MAX_RECORDINGS}
    form_only: ClassVar[bool] = True

    name: Name | None = Field(None, description="what to call it; made of its id without one")

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada"}]})


class AvatarRequest(CropFields):
    """A portrait to keep with all that is computed of it once; as a form, uploaded as ``portrait_file``."""

    files: ClassVar[Mapping[str, int]] = {"portrait_file": 1}

    name: Name | None = Field(None, description="what to call it; made of its id without one")

    model_config = ConfigDict(json_schema_extra={"examples": [{"portrait": "ada", "name": "Ada"}]})


class Timings(TypedDict, total=False):
    """Seconds from the start of the request until each thing was there, of what the request made."""

    models: float
    portrait: float
    first_text: float
    text: float
    first_audio: float
    audio: float
    first_frame: float
    first_fragment: float
    frames: float
    video: float


class Parts(TypedDict, total=False):
    """The part that made it, by stage."""

    writer: str
    voice: str
    face: str


@with_options(FACE_OPTIONS, answered=True)
class Controls(BaseModel):
    """Options that were asked of the face, and what it chose to frame."""


class Answer(BaseModel):
    """Fields that every response carries."""

    request_id: str = Field(description="UUID; the log's lines of this request carry it too")
    timestamp: str = Field(description="ISO 8601, UTC")


class ProgressResponse(Answer):
    audio_seconds: float = Field(description="speech made so far")
    frames: int = Field(description="of the face, drawn so far, `face_fps` of them a second")


class Made(Answer):
    """Fields that every generated response carries besides."""

    processing_time: float = Field(description="seconds")
    parts: Parts
    timings: Timings


class TextResponse(Made):
    text: str
    warnings: list[str] = Field(description="what to know about the reply")
    note: str | None = Field(None, description="what to know about the writer")


class TimedWord(BaseModel):
    text: str
    start: float = Field(description="seconds")
    end: float = Field(description="seconds")


class TimedSentence(TimedWord):
    """A sentence of the speech as a reader sees it."""

    words: list[TimedWord] = Field(description="where the voice knows their times")


Captions = Annotated[list[TimedSentence], Field(description="what is said when, in the clip")]


class TtsResponse(Made):
    voice: str = Field(description="id of the voice")
    language: str = Field(description="that is spoken")
    captions: Captions
    warnings: list[str] = Field(description="what to know about the text and its speech")
    seed: int | None = Field(None, description=f"that makes the same speech again; for {SEEDED_VOICES}")
    audio_url: str = Field(examples=["/outputs/audio/3f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11.wav"])
    audio_seconds: float
    sample_rate: int = Field(description="samples per second")


class VideoResponse(Made):
    video_url: str = Field(examples=["/outputs/video/3f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11.mp4"])
    poster_url: str = Field(examples=["/outputs/video/3f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11.jpg"])
    audio_seconds: float
    portrait: str = Field(description="name of the bundled portrait or of the avatar, or uploaded")
    avatar: str | None = Field(None, description="id of the avatar")
    size: int = Field(description="side of the animated square")
    width: int = Field(description="of the video")
    height: int = Field(description="of the video")
    seed: int
    controls: Controls
    warnings: list[str] = Field(description="what to know about the portrait, the text and the sound")


class FullResponse(VideoResponse):
    text: str
    voice: str = Field(description="id of the voice")
    language: str = Field(description="that is spoken")
    audio_url: str
    captions: Captions
    captions_url: str = Field(examples=["/outputs/video/3f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11.vtt"])
    note: str | None = Field(None, description="what to know about the writer")


class VoiceInfo(BaseModel):
    id: str = Field(description="hash of the recordings, or a built-in voice's name")
    name: str
    kind: Literal["builtin", "custom"]
    seconds: float | None = Field(None, description="of the recordings of a custom voice")
    created: str | None = Field(None, description="ISO 8601, UTC, of a custom voice")
    usable: bool = Field(True, description="false when another checkpoint made it")
    warnings: tuple[str, ...] | None = Field(
        None, description="what may spoil a voice that was just made of recordings"
    )


class VoiceResponse(Answer, VoiceInfo):
    """Description of one voice."""


class VoicesResponse(Answer):
    part: str = Field(description="the part that speaks")
    voices: list[VoiceInfo]


class AvatarInfo(BaseModel):
    id: str = Field(description="hash of the picture, of the parameters and of the checkpoint")
    name: str
    created: str = Field(description="ISO 8601, UTC")
    part: str = Field(description="the face that it was made for")
    size: int
    preprocess: str | None = None
    face: list[int] | None = Field(None, description="left, top, right, bottom in the picture, in pixels")
    confidence: float | None = Field(None, description="0..1, that it is a face")
    warnings: list[str]
    usable: bool = Field(True, description="false when another face or checkpoint made it")


class AvatarResponse(Answer, AvatarInfo):
    """Description of one avatar."""


class AvatarsResponse(Answer):
    part: str = Field(description="the face that is served")
    avatars: list[AvatarInfo]


class ErrorResponse(BaseModel):
    error: str = Field(examples=["InvalidInputException"], json_schema_extra={"enum": list(ERROR_NAMES)})
    message: str = Field(examples=["prompt: is blank; send some text"])
    request_id: str


class RootResponse(Answer):
    status: Literal["ok"]
    service: str
    version: str
    docs: str


class ReadyResponse(Answer):
    status: Literal["live", "ready"]


class ModelHealth(BaseModel):
    state: str = Field(description="READY, UNLOADED, LOADING, UNAVAILABLE")
    reason: str = ""
    inferences: int = Field(default=0, description="answered, batched ones counted singly")
    executions: int = Field(default=0, description="executed batches")
    failures: int = 0
    mean_ms: float | None = Field(default=None, description="mean time of an answered request")


class GpuHealth(BaseModel):
    uuid: str
    utilization: float | None = Field(None, description="0 to 1")
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None


class TritonHealth(BaseModel):
    live: bool
    ready: bool
    version: str | None
    url: str


class HealthResponse(Answer):
    status: Literal["healthy", "degraded"] = Field(description="degraded: generation does not work now")
    version: str
    triton: TritonHealth
    models: dict[str, ModelHealth] = Field(description="the models of the chain")
    gpu_enabled: bool
    gpus: list[GpuHealth] = Field(description="that Triton sees; none without a GPU")
    active_clips: int
    live_sessions: int = Field(description="conversations that go on")


class StatusResponse(Answer):
    version: str
    profile: str
    parts: dict[str, str]
    gemini_configured: bool
    configuration: dict[str, Any]
    limits: dict[str, Any]
    portraits: list[str]
    languages: dict[str, str] = Field(description="codes with the languages' English names")
    voices: list[str] = Field(description="names; /api/voices says more")
