"""Bodies of ``/api/avatars``."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.schemas.answers import Answer
from orchestrator.schemas.fields import Consent, CropFields, Name


class AvatarRequest(CropFields):
    """A portrait to keep with all that is computed of it once; as a form, uploaded as ``portrait_file``."""

    files: ClassVar[Mapping[str, int]] = {"portrait_file": 1}

    name: Name | None = Field(None, description="what to call it; made of its id without one")
    consent: Consent | None = Field(None, description="of the person in an uploaded portrait")

    model_config = ConfigDict(json_schema_extra={"examples": [{"portrait": "ada", "name": "Ada"}]})


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
    bundled: str | None = Field(None, description="name of the bundled portrait that it was made of")
    consent: str | None = Field(None, description="statement that came with its picture")
    picture_url: str = Field(description="a small picture of it, JPEG")


class AvatarResponse(Answer, AvatarInfo):
    """Description of one avatar."""


class AvatarsResponse(Answer):
    part: str = Field(description="the face that is served")
    avatars: list[AvatarInfo]
    next: str | None = Field(None, description="the id to ask for the next page `after`; none at the end")
