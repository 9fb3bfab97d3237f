"""``GET /v1/usage`` and ``POST /v1/realtime/client_secrets``."""

import json
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from lumen.errors import InvalidInputException, TooLargeException
from orchestrator.access.keys import ApiKey
from orchestrator.access.usage import KEPT_DAYS, seconds_left, today
from orchestrator.live.client_events import ClientEventError, parse
from orchestrator.live.server_events import new_id
from orchestrator.request_context import EVERYONE, owner, sees_all, stamp
from orchestrator.routes.bodies import describe_body, describe_openai_errors, read_body
from orchestrator.schemas.access import (
    DEFAULT_SECRET_SECONDS,
    ClientSecretRequest,
    ClientSecretResponse,
    KeyUsage,
    QuotaInfo,
    UsageResponse,
    UsedToday,
)
from orchestrator.services import Services, services

MAX_SESSION_CHARACTERS: Final = 64_000
"""JSON of a conversation's configuration that a token carries: the longest instructions and more."""

router = APIRouter(prefix="/v1", tags=["access"], responses=describe_openai_errors(429, 500))

Use = Annotated[Services, Depends(services)]
Days = Annotated[int, Query(ge=1, le=KEPT_DAYS, description="how many, today first")]


@router.get("/usage", response_model_exclude_none=True, responses=describe_openai_errors(400))
async def read_usage(use: Use, days: Days = 1) -> UsageResponse:
    """Tell what the key that asks has used, in days of UTC; an admin's sees that of all keys."""
    wanted = [today() - timedelta(days=back) for back in range(days)]
    shown = [await _usage(key, wanted, use) for key in _keys(use)]
    return UsageResponse(**stamp(), resets_in=seconds_left(), data=shown)


@router.post(
    "/realtime/client_secrets",
    responses=describe_openai_errors(400, 408, 413, 415),
    openapi_extra=describe_body(ClientSecretRequest),
)
async def make_client_secret(request: Request, use: Use) -> ClientSecretResponse:
    """A token with which a browser opens one live conversation, within a short time, for your key."""
    body = await read_body(request, ClientSecretRequest, use.settings.max_text_length)
    session = _checked(body.fields.session)
    after = body.fields.expires_after
    seconds = DEFAULT_SECRET_SECONDS if after is None else after.seconds
    token, expires = await use.access.secrets.make(owner.get(), seconds, session)
    shown = {
        **(session or {}),
        "type": "realtime",
        "object": "realtime.session",
        "id": new_id("sess"),
        "model": "lumen",
    }
    return ClientSecretResponse(**stamp(), value=token, expires_at=int(expires), session=shown)


def _checked(session: dict[str, Any] | None) -> dict[str, Any] | None:
    """The configuration, where the conversation would take it.

    Raises:
        TooLargeException: it is too long to be kept.
        InvalidInputException: the conversation would refuse it.
    """
    if not session:
        return None
    if len(json.dumps(session)) > MAX_SESSION_CHARACTERS:
        raise TooLargeException(f"session: has over {MAX_SESSION_CHARACTERS} characters as JSON; send less")
    try:
        parse({"type": "session.update", "session": session})
    except ClientEventError as error:
        raise InvalidInputException(error.message) from None
    return session


def _keys(use: Services) -> list[ApiKey | None]:
    """Keys whose usage the request may see; None stands for what was made without one."""
    if sees_all():
        return [None, *use.access.ring.keys]
    return [use.access.ring.find(owner.get())]


async def _usage(key: ApiKey | None, days: list[date], use: Services) -> KeyUsage:
    used = await use.access.meter.store.read(EVERYONE if key is None else key.id, days)
    told = [UsedToday(day=day.isoformat(), **each.model_dump()) for day, each in zip(days, used, strict=True)]
    if key is None:
        return KeyUsage(quota=QuotaInfo(), days=told)
    quota = QuotaInfo(**key.quota.model_dump(), rate=key.rate)
    return KeyUsage(key=key.id, name=key.name, quota=quota, days=told)
