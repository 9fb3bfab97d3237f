"""Bodies of ``/api/voices``."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from lumen.families.xtts.family import MAX_RECORDINGS
from orchestrator.schemas.answers import Answer
from orchestrator.schemas.fields import Consent, Name, Strict


class VoiceRequest(Strict):
    """Recordings of somebody's speech for a voice like theirs: a form with uploads named ``audio``.

    WAV, FLAC, MP3, OGG, Opus, M4A, AAC, AMR, AIFF, CAF or WebM of any rate and channels; 3 to 60 s of speech
    in all, as the server's limits say.
    """

    files: ClassVar[Mapping[str, int]] = {"audio": MAX_RECORDINGS}
    form_only: ClassVar[bool] = True

    name: Name | None = Field(None, description="what to call it; made of its id without one")
    consent: Consent | None = Field(None, description="of the speaker, to a voice like theirs")

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada"}]})


class VoiceInfo(BaseModel):
    id: str = Field(description="hash of the recordings, or a built-in voice's name")
    name: str
    kind: Literal["builtin", "custom"]
    seconds: float | None = Field(None, description="of the recordings of a custom voice")
    created: str | None = Field(None, description="ISO 8601, UTC, of a custom voice")
    usable: bool = Field(True, description="false when another checkpoint made it")
    warnings: tuple[str, ...] | None = Field(
        None, description="what may spoil a voice that was made of recordings"
    )
    language: str | None = Field(None, description="of the speaker that it learned from, where known")
    gender: Literal["female", "male"] | None = Field(None, description="likewise")
    consent: str | None = Field(None, description="statement that came with the recordings")
    preview_url: str = Field(description="a short sample of its speech, MP3")


class VoiceResponse(Answer, VoiceInfo):
    """Description of one voice."""


class VoicesResponse(Answer):
    part: str = Field(description="the part that speaks")
    voices: list[VoiceInfo]
    next: str | None = Field(None, description="the id to ask for the next page `after`; none at the end")
