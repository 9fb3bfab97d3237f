"""``/v1/audio/voices`` and ``/v1/models``: what speaks, as OpenAI's clients list and make it."""

import logging
from contextlib import ExitStack
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from lumen.errors import InvalidInputException, NotFoundException
from orchestrator.messages import excerpt, unknown
from orchestrator.routes.bodies import describe_body, describe_openai_errors, read_body
from orchestrator.routes.health import parts_of
from orchestrator.schemas.openai import (
    AudioModels,
    AudioVoice,
    AudioVoiceDeleted,
    AudioVoiceRequest,
    AudioVoices,
    Model,
    Models,
)
from orchestrator.services import Services, held_places, services
from orchestrator.voices.voice import VoiceCard

log = logging.getLogger("lumen")

SAMPLE: Final = "audio_sample"

router = APIRouter(prefix="/v1", tags=["openai"], responses=describe_openai_errors(429, 500))

Use = Annotated[Services, Depends(services)]
Held = Annotated[ExitStack, Depends(held_places, scope="function")]


@router.get("/audio/voices", responses=describe_openai_errors(503))
async def list_audio_voices(use: Use) -> AudioVoices:
    """List the voices that speak with the server's checkpoint."""
    cards = await use.models.get_voice().cards()
    voices = [_voice(card) for card in cards if card.usable]
    return AudioVoices(data=voices, voices=voices)


@router.post(
    "/audio/voices",
    responses=describe_openai_errors(400, 403, 408, 413, 415, 503, 504, 507),
    openapi_extra=describe_body(AudioVoiceRequest),
)
async def create_audio_voice(request: Request, use: Use, held: Held) -> AudioVoice:
    """Make a voice like that in a recording. The same recording makes the same voice, once."""
    body = await read_body(request, AudioVoiceRequest, use.settings.max_text_length)
    recording = body.file(SAMPLE)
    if recording is None:
        raise InvalidInputException(f"{SAMPLE}: there is no file of this name; send a recording")
    await use.moderation.name(body.fields.name)
    held.enter_context(use.pipeline.speeches.reserved())
    log.info("Voice request: %d bytes", len(recording))
    card, _ = await use.models.get_voice().clone([recording], body.fields.name, body.fields.consent)
    return _voice(card)


@router.delete("/audio/voices/{voice}", responses=describe_openai_errors(400, 404))
async def delete_audio_voice(voice: str, use: Use) -> AudioVoiceDeleted:
    """Remove a voice that was made here, by its id. Who speaks with it now goes on to the end."""
    log.info("Voice removal: %s", excerpt(voice))
    await use.models.get_voice().delete(voice)
    return AudioVoiceDeleted(id=voice)


@router.get("/audio/models")
async def list_audio_models(use: Use) -> AudioModels:
    """List the part that speaks. A speech request may name any model; this part answers it."""
    models = [model for model in _models(use) if model.kind == "voice"]
    return AudioModels(data=models, models=models)


@router.get("/models")
async def list_models(use: Use) -> Models:
    """List the parts of the chain."""
    return Models(data=_models(use))


@router.get("/models/{model}", responses=describe_openai_errors(404))
async def read_model(model: str, use: Use) -> Model:
    """Describe a part of the chain."""
    known = {each.id: each for each in _models(use)}
    if model not in known:
        raise NotFoundException(unknown("model", model, known))
    return known[model]


def _models(use: Services) -> list[Model]:
    return [Model.model_validate({"id": name, "kind": stage}) for stage, name in parts_of(use).items()]


def _voice(card: VoiceCard) -> AudioVoice:
    made = 0 if card.created is None else int(datetime.fromisoformat(card.created).timestamp())
    kind: Any = "builtin" if card.kind == "builtin" else SAMPLE
    return AudioVoice(id=card.id, type=kind, name=card.name, created_at=made)
