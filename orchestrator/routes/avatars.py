"""``/api/avatars``: portraits that are kept with what the face made of them."""

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from orchestrator.faces.avatars import AvatarCard
from orchestrator.generation.render_jobs import animation_of, crop_options_of, portrait_of
from orchestrator.messages import excerpt
from orchestrator.request_context import stamp
from orchestrator.routes.bodies import describe_body, describe_errors, read_body
from orchestrator.schemas.avatars import AvatarInfo, AvatarRequest, AvatarResponse, AvatarsResponse
from orchestrator.services import Services, held_places, services

log = logging.getLogger("lumen")

router = APIRouter(prefix="/api/avatars", tags=["avatars"], responses=describe_errors(429, 500))

Use = Annotated[Services, Depends(services)]
Held = Annotated[ExitStack, Depends(held_places, scope="function")]

CREATED = 201


@router.get("", response_model_exclude_none=True)
async def list_avatars(use: Use) -> AvatarsResponse:
    """All avatars, the oldest first."""
    cards = await asyncio.to_thread(use.models.get_avatars().cards)
    told = [AvatarInfo(**asdict(card)) for card in cards]
    return AvatarsResponse(**stamp(), part=use.models.get_face().name, avatars=told)


@router.post(
    "",
    status_code=CREATED,
    response_model_exclude_none=True,
    responses={
        200: {"model": AvatarResponse, "description": "The avatar of this picture is there already"},
        **describe_errors(400, 408, 413, 415, 503, 504, 507),
    },
    openapi_extra=describe_body(AvatarRequest),
)
async def make_avatar(request: Request, response: Response, use: Use, held: Held) -> AvatarResponse:
    """All the work on a portrait, done once. The same picture and parameters make the same avatar."""
    body = await read_body(request, AvatarRequest, use.settings.max_text_length)
    held.enter_context(use.pipeline.clips.reserved())
    crop_options, face = crop_options_of(body, use), use.models.get_face()
    face.check(animation_of(body, None, use), crop_options)
    name, picture = await portrait_of(body, use)
    log.info("Avatar request: %s, %d bytes", excerpt(name), len(picture))
    await use.models.ensure(face.models)
    card, new = await use.models.get_avatars().make(picture, crop_options, body.fields.name)
    response.status_code = CREATED if new else 200
    return _told(card)


@router.get("/{avatar}", response_model_exclude_none=True, responses=describe_errors(404))
async def read_avatar(avatar: str, use: Use) -> AvatarResponse:
    """Describe an avatar, by its id or its name."""
    return _told(await asyncio.to_thread(use.models.get_avatars().find, avatar))


@router.delete("/{avatar}", status_code=204, responses=describe_errors(404))
async def remove_avatar(avatar: str, use: Use) -> None:
    """Remove an avatar, by its id. Clips that are being made of it are made to the end."""
    log.info("Avatar removal: %s", excerpt(avatar))
    await asyncio.to_thread(use.models.get_avatars().delete, avatar)


def _told(card: AvatarCard) -> AvatarResponse:
    return AvatarResponse(**stamp(), **asdict(card))
