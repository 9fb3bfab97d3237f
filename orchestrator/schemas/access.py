"""Bodies of ``/v1/usage`` and ``/v1/realtime/client_secrets``."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.schemas.answers import Answer

SECRET_SECONDS: Final = (10, 7200)
"""Seconds for which a token may be asked to hold; OpenAI's."""

DEFAULT_SECRET_SECONDS: Final = 600


class UsedToday(BaseModel):
    """Sums of one day (UTC)."""

    day: str = Field(description="ISO 8601, UTC", examples=["2026-11-28"])
    video_seconds: float
    speech_seconds: float = Field(description="of speech without a video")
    videos: int
    speeches: int


class QuotaInfo(BaseModel):
    """Bounds of a key; what is left out has none of its own."""

    video_seconds: float | None = Field(None, description="a day")
    speech_seconds: float | None = Field(None, description="a day")
    clips: int | None = Field(None, description="clips, and conversations, at once")
    rate: str | None = Field(None, description="requests", examples=["100/minute"])


class KeyUsage(BaseModel):
    key: str | None = Field(None, description="id of the key; none for what was made without one")
    name: str | None = None
    quota: QuotaInfo
    days: list[UsedToday] = Field(description="today first")


class UsageResponse(Answer):
    object: Literal["list"] = "list"
    resets_in: int = Field(description="seconds until the quotas are new")
    data: list[KeyUsage] = Field(description="of the key that asks; an admin's sees all")


class ExpiresAfter(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=SECRET_SECONDS[0], le=SECRET_SECONDS[1])] = DEFAULT_SECRET_SECONDS


class ClientSecretRequest(BaseModel):
    """A token for a browser; fields that other servers know are ignored."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={"examples": [{"expires_after": {"anchor": "created_at", "seconds": 60}}]},
    )

    expires_after: ExpiresAfter | None = Field(None, description="600 s without it")
    session: dict[str, Any] | None = Field(
        None, description="what the conversation is configured with at first, as in `session.update`"
    )


class ClientSecretResponse(Answer):
    value: str = Field(description="opens one conversation", examples=["ek_..."])
    expires_at: int = Field(description="Unix time")
    session: dict[str, Any] = Field(description="the configuration that the token carries")
