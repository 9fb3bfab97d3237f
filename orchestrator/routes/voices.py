"""``/api/voices``: which voices there are, new ones made of recordings, and away with them."""

import logging
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response

from lumen.errors import InvalidInputException
from orchestrator.generation.render_jobs import check_consent
from orchestrator.messages import excerpt
from orchestrator.pipeline.previews import PREVIEW_TYPE
from orchestrator.request_context import stamp
from orchestrator.routes.bodies import describe_body, describe_errors, read_body
from orchestrator.routes.paging import MAX_PAGE, After, Limit, page
from orchestrator.schemas.voices import VoiceInfo, VoiceRequest, VoiceResponse, VoicesResponse
from orchestrator.services import Services, held_places, services
from orchestrator.voices.voice import VoiceCard

log = logging.getLogger("lumen")

router = APIRouter(prefix="/api/voices", tags=["voices"], responses=describe_errors(429, 500))

Use = Annotated[Services, Depends(services)]
Held = Annotated[ExitStack, Depends(held_places, scope="function")]

CREATED = 201

PREVIEW: Final[dict[str, Any]] = {
    "content": {PREVIEW_TYPE: {"schema": {"type": "string", "format": "binary"}}}
}


@router.get("", response_model_exclude_none=True, responses=describe_errors(400, 404, 503))
async def list_voices(use: Use, limit: Limit = MAX_PAGE, after: After = None) -> VoicesResponse:
    """All voices of the part that speaks: built-in ones, then those that were made here."""
    voice = use.models.get_voice()
    cards, following = page(await voice.cards(), after, limit)
    told = [VoiceInfo(**_fields(card, use)) for card in cards]
    return VoicesResponse(**stamp(), part=voice.name, voices=told, next=following)


@router.post(
    "",
    status_code=CREATED,
    response_model_exclude_none=True,
    responses={
        200: {"model": VoiceResponse, "description": "The voice of these recordings is there already"},
        **describe_errors(400, 403, 408, 413, 415, 503, 504, 507),
    },
    openapi_extra=describe_body(VoiceRequest),
)
async def make_voice(request: Request, response: Response, use: Use, held: Held) -> VoiceResponse:
    """A voice like that in the recordings. The same recordings make the same voice, once."""
    body = await read_body(request, VoiceRequest, use.settings.max_text_length)
    recordings = body.files.get("audio")
    if not recordings:
        raise InvalidInputException("audio: there is no file of this name; send one or more recordings")
    check_consent(body.fields.consent, "the recordings", use)
    await use.moderation.name(body.fields.name)
    held.enter_context(use.pipeline.speeches.reserved())
    log.info("Voice request: %d recordings, %d bytes", len(recordings), sum(map(len, recordings)))
    card, new = await use.models.get_voice().clone(recordings, body.fields.name, body.fields.consent)
    response.status_code = CREATED if new else 200
    return _told(card, use)


@router.get("/{voice}", response_model_exclude_none=True, responses=describe_errors(404, 503))
async def read_voice(voice: str, use: Use) -> VoiceResponse:
    """Describe a voice, by its id or its name."""
    return _told(await use.models.get_voice().card(voice), use)


@router.get(
    "/{voice}/preview",
    response_class=Response,
    responses={200: PREVIEW, **describe_errors(400, 403, 404, 503, 504)},
)
async def preview_voice(voice: str, use: Use) -> Response:
    """A short sample of a voice's speech, MP3; made once while the server runs."""
    card = await use.models.get_voice().card(voice)
    sound = await use.previews.sample(card)
    return Response(sound, media_type=PREVIEW_TYPE, headers={"Cache-Control": "private, max-age=3600"})


@router.delete("/{voice}", status_code=204, responses=describe_errors(400, 404, 503))
async def remove_voice(voice: str, use: Use) -> None:
    """Remove a voice that was made here, by its id. Who speaks with it now goes on to the end."""
    log.info("Voice removal: %s", excerpt(voice))
    await use.models.get_voice().delete(voice)


def _told(card: VoiceCard, use: Services) -> VoiceResponse:
    return VoiceResponse(**stamp(), **_fields(card, use))


def _fields(card: VoiceCard, use: Services) -> dict[str, Any]:
    preview = use.access.links.sign(f"/api/voices/{quote(card.id)}/preview")
    return {**asdict(card), "preview_url": preview}
