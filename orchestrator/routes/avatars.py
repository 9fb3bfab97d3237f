"""``/api/avatars``: portraits that are kept with what the face made of them."""

import logging
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from orchestrator.faces.avatars import AvatarCard, Origin
from orchestrator.generation.render_jobs import PORTRAIT_FILE, animation_of, crop_options_of, portrait_of
from orchestrator.messages import excerpt
from orchestrator.request_context import stamp
from orchestrator.routes.bodies import describe_body, describe_errors, read_body
from orchestrator.routes.paging import MAX_PAGE, After, Limit, page
from orchestrator.schemas.avatars import AvatarInfo, AvatarRequest, AvatarResponse, AvatarsResponse
from orchestrator.services import Services, held_places, services

log = logging.getLogger("lumen")

router = APIRouter(prefix="/api/avatars", tags=["avatars"], responses=describe_errors(429, 500))

Use = Annotated[Services, Depends(services)]
Held = Annotated[ExitStack, Depends(held_places, scope="function")]

CREATED = 201

PICTURE_TYPE: Final = "image/jpeg"
PICTURE: Final[dict[str, Any]] = {
    "content": {PICTURE_TYPE: {"schema": {"type": "string", "format": "binary"}}}
}


@router.get("", response_model_exclude_none=True, responses=describe_errors(400, 404, 503))
async def list_avatars(use: Use, limit: Limit = MAX_PAGE, after: After = None) -> AvatarsResponse:
    """All avatars, the oldest first."""
    cards, following = page(await use.models.get_avatars().cards(), after, limit)
    told = [AvatarInfo(**_fields(card, use)) for card in cards]
    return AvatarsResponse(**stamp(), part=use.models.get_face().name, avatars=told, next=following)


@router.post(
    "",
    status_code=CREATED,
    response_model_exclude_none=True,
    responses={
        200: {"model": AvatarResponse, "description": "The avatar of this picture is there already"},
        **describe_errors(400, 403, 408, 413, 415, 503, 504, 507),
    },
    openapi_extra=describe_body(AvatarRequest),
)
async def make_avatar(request: Request, response: Response, use: Use, held: Held) -> AvatarResponse:
    """All the work on a portrait, done once. The same picture and parameters make the same avatar."""
    body = await read_body(request, AvatarRequest, use.settings.max_text_length)
    held.enter_context(use.pipeline.clips.reserved())
    crop_options, face = crop_options_of(body, use), use.models.get_face()
    face.check(animation_of(body, None, use), crop_options)
    await use.moderation.name(body.fields.name)
    name, picture = await portrait_of(body, use)
    uploaded = body.file(PORTRAIT_FILE) is not None
    origin = Origin(None if uploaded else name, body.fields.consent)
    log.info("Avatar request: %s, %d bytes", excerpt(name), len(picture))
    await use.models.ensure(face.models)
    card, new = await use.models.get_avatars().make(picture, crop_options, body.fields.name, origin)
    response.status_code = CREATED if new else 200
    return _told(card, use)


@router.get("/{avatar}", response_model_exclude_none=True, responses=describe_errors(404, 503))
async def read_avatar(avatar: str, use: Use) -> AvatarResponse:
    """Describe an avatar, by its id or its name."""
    return _told(await use.models.get_avatars().find(avatar), use)


@router.get(
    "/{avatar}/picture", response_class=Response, responses={200: PICTURE, **describe_errors(404, 503)}
)
async def picture_avatar(avatar: str, use: Use) -> Response:
    """A small picture of an avatar, JPEG."""
    picture = await use.models.get_avatars().picture(avatar)
    return Response(picture, media_type=PICTURE_TYPE, headers={"Cache-Control": "private, max-age=3600"})


@router.delete("/{avatar}", status_code=204, responses=describe_errors(404, 503))
async def remove_avatar(avatar: str, use: Use) -> None:
    """Remove an avatar, by its id, and its idle clips; clips that are being made of it are finished."""
    log.info("Avatar removal: %s", excerpt(avatar))
    await use.models.get_avatars().delete(avatar)
    await use.live.idle.sweep()


def _told(card: AvatarCard, use: Services) -> AvatarResponse:
    return AvatarResponse(**stamp(), **_fields(card, use))


def _fields(card: AvatarCard, use: Services) -> dict[str, Any]:
    return {**asdict(card), "picture_url": use.access.links.sign(f"/api/avatars/{card.id}/picture")}
