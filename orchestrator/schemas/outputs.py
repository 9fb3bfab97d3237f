"""Bodies of ``/api/outputs``."""

from typing import Literal

from pydantic import BaseModel, Field

from orchestrator.schemas.answers import Answer
from orchestrator.schemas.generation_results import Captions, Marking, Parts


class OutputFileInfo(BaseModel):
    role: Literal["video", "audio", "poster", "captions"]
    url: str
    bytes: int
    media_type: str


class OutputInfo(BaseModel):
    id: str = Field(description="name of its files; the output_id of the answer that told of it")
    kind: Literal["video", "speech"]
    created: str = Field(description="ISO 8601, UTC")
    expires: str | None = Field(None, description="ISO 8601, UTC; when it is removed at the latest")
    files: list[OutputFileInfo]
    audio_url: str | None = Field(None, description="its speech")
    video_url: str | None = None
    poster_url: str | None = None
    captions_url: str | None = None
    audio_seconds: float
    parts: Parts
    text: str = Field(description="that is spoken; empty where sound came without its text")
    voice: str | None = None
    language: str | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    portrait: str | None = None
    avatar: str | None = None
    captions: Captions
    warnings: list[str]
    marking: Marking | None = None
    consent: str | None = Field(None, description="statement that came with an uploaded portrait")


class OutputResponse(Answer, OutputInfo):
    """Description of one output."""


class OutputsResponse(Answer):
    outputs: list[OutputInfo]
    has_more: bool
    next: str | None = Field(None, description="the id to ask for the next page `after`; none at the end")
