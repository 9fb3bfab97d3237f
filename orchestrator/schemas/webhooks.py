"""Bodies of ``/v1/webhooks``."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class WebhookAttempt(BaseModel):
    at: int = Field(description="seconds since 1970")
    seconds: float = Field(description="that it took")
    status: int | None = Field(None, description="of the endpoint's answer, where there was one")
    error: str | None = Field(None, description="why it was no success")


class WebhookDelivery(BaseModel):
    id: str = Field(description="the webhook-id of every try")
    object: Literal["webhook.delivery"] = "webhook.delivery"
    type: str = Field(description="of the event", examples=["video.completed"])
    data: dict[str, Any] = Field(description="what the event says")
    endpoint: str = Field(description="scheme and host of the address", examples=["https://example.com"])
    status: Literal["pending", "delivered", "failed"]
    created_at: int = Field(description="seconds since 1970")
    next_try_at: int | None = Field(None, description="seconds since 1970, of a pending one")
    attempts: list[WebhookAttempt]


class WebhookDeliveries(BaseModel):
    object: Literal["list"] = "list"
    data: list[WebhookDelivery] = Field(description="the latest first")
    has_more: bool = Field(description="whether there are older ones, after the last of these")
