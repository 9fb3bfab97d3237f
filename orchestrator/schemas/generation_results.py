"""Responses of ``/api/generate``."""

from typing import Annotated

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from orchestrator.schemas.answers import Answer
from orchestrator.schemas.fields import FACE_OPTIONS
from orchestrator.schemas.generation import SEEDED_VOICES
from orchestrator.schemas.options import with_options


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


class ProgressResponse(Answer):
    audio_seconds: float = Field(description="speech made so far")
    frames: int = Field(description="of the face, drawn so far, `face_fps` of them a second")


class Marking(BaseModel):
    """Marks by which a file tells that a machine made it."""

    metadata: bool = Field(description="plain metadata in the file")
    signed: bool = Field(description="a provenance record in the file, signed (C2PA)")
    digital_source_type: str = Field(description="by the IPTC's vocabulary")
    label: str | None = Field(None, description="text that is drawn into the picture")


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


class MadeOutput(Made):
    output_id: str = Field(
        description="of what was made, under /api/outputs",
        examples=["3f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11"],
    )


class TtsResponse(MadeOutput):
    voice: str = Field(description="id of the voice")
    language: str = Field(description="that is spoken")
    captions: Captions
    warnings: list[str] = Field(description="what to know about the text and its speech")
    seed: int | None = Field(None, description=f"that makes the same speech again; for {SEEDED_VOICES}")
    audio_url: str = Field(examples=["/outputs/audio/3f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11.wav"])
    audio_seconds: float
    marking: Marking
    sample_rate: int = Field(description="samples per second")


class VideoResponse(MadeOutput):
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
    marking: Marking
    warnings: list[str] = Field(description="what to know about the portrait, the text and the sound")


class FullResponse(VideoResponse):
    text: str
    voice: str = Field(description="id of the voice")
    language: str = Field(description="that is spoken")
    audio_url: str
    captions: Captions
    captions_url: str = Field(examples=["/outputs/video/3f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11.vtt"])
    note: str | None = Field(None, description="what to know about the writer")
