"""Bodies of ``/v1/videos``: OpenAI's fields, and LUMEN's beside them."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from orchestrator.schemas.generation import CLIP_FILES, URL_CHARACTERS, FullRequest
from orchestrator.schemas.generation_results import FullResponse, VideoResponse

Status = Literal["queued", "in_progress", "completed", "failed"]

Phase = Literal["writing", "speaking", "drawing", "encoding"]

REFERENCE_FILE: Final = "input_reference"
"""OpenAI's name of the upload that shows the portrait."""

MODEL: Final = "lumen"
"""Model that made a video; the parts are named in its result."""

SIZE_PATTERN: Final = r"^([1-9][0-9]{1,3}x[1-9][0-9]{1,3}|256|512)$"

SECONDS_PATTERN: Final = r"^[1-9][0-9]{0,3}$"

MOST_SECONDS: Final = 9999


def _in_words(expected: str) -> WrapValidator:
    """Say what is expected instead of what is wrong with each of several types."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(expected) from None

    return WrapValidator(check)


AnySize: TypeAlias = Annotated[
    Annotated[str, Field(pattern=SIZE_PATTERN)] | Literal[256, 512] | None,
    _in_words("send 256, 512 or a width and a height such as 720x1280"),
]

Seconds: TypeAlias = Annotated[
    Annotated[str, Field(pattern=SECONDS_PATTERN)] | Annotated[int, Field(ge=1, le=MOST_SECONDS)] | None,
    _in_words(f"send a whole number from 1 to {MOST_SECONDS}, or leave it out"),
]


class VideoCreateRequest(FullRequest):
    """A prompt for a video made in the background; as a form, with a portrait as ``input_reference``."""

    files: ClassVar[Mapping[str, int]] = {REFERENCE_FILE: 1, **CLIP_FILES}

    model: Annotated[str, Field(max_length=URL_CHARACTERS)] | None = Field(
        None, description="is read and not used: the server has one chain, whose parts the result names"
    )
    seconds: Seconds = Field(None, description="is read and not used: a video is as long as its speech")
    size: AnySize = Field(  # type: ignore[assignment]  # takes more than LUMEN's own
        None,
        description="side of the animated square, 256 or 512; of a width and a height such as 720x1280 the "
        "smaller one counts",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "Hello! How are you?"},
                {"prompt": "Wie geht es dir?", "language": "de", "portrait": "ada", "size": "512x512"},
            ]
        }
    )


class JobError(BaseModel):
    """Why a job failed; ``cancelled`` is the code of one that was ended by its owner."""

    code: str = Field(examples=["cancelled"])
    message: str


class JobTimings(BaseModel):
    queued: float | None = Field(None, description="seconds until it was begun")
    making: float | None = Field(None, description="seconds from its beginning until it ended")


class Video(BaseModel):
    """A video that is made in the background, and how far it is."""

    id: str = Field(examples=["video_0b8f5c9e1d5e4f6a8c7b6a5d4e3f2a1b"])
    object: Literal["video"] = "video"
    status: Status
    progress: int = Field(description="0 to 100; it never goes back")
    created_at: int = Field(description="seconds since 1970")
    completed_at: int | None = Field(None, description="seconds since 1970, also where it failed")
    expires_at: int | None = Field(None, description="when it is forgotten, in seconds since 1970")
    error: JobError | None = None
    model: str
    prompt: str | None = None
    seconds: str = Field(description="length of the video; until it is known what was asked for, or 0")
    size: str = Field(description="width and height; until they are known what was asked for")
    remixed_from_video_id: str | None = None
    phase: Phase | None = None
    queue_position: int | None = Field(None, description="jobs that come before it, while it is queued")
    remaining_seconds: float | None = Field(None, description="an estimate")
    attempts: int = Field(description="times that it was begun")
    timings: JobTimings
    warnings: list[str] = Field(description="what to know about the request")
    result: FullResponse | VideoResponse | None = Field(
        None, description="what the same request would have answered to a client that waits"
    )


class VideoList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool


class VideoDeleted(BaseModel):
    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = Field(description="false where it was being made: it is cancelled, and still described")
