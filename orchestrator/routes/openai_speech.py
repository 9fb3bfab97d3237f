"""``POST /v1/audio/speech``: speech as OpenAI's clients ask for it."""

import base64
import logging
import secrets
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.responses import Response

from lumen.aio import Stream
from lumen.contracts import MAX_SEED
from lumen.errors import LumenException, NotFoundException
from lumen.families.description import DEFAULT_VOICE
from orchestrator.core.middleware import (
    SAMPLE_RATE_HEADER,
    SEED_HEADER,
    VOICE_PART_HEADER,
    WARNINGS_HEADER,
)
from orchestrator.core.openai_errors import openai_error
from orchestrator.live.dialects import known_voice
from orchestrator.media.encodings import ENCODINGS
from orchestrator.messages import excerpt
from orchestrator.pipeline.results import StreamedSpeech
from orchestrator.request_context import output_name
from orchestrator.routes.bodies import JSON, REFERENCE, describe_body, describe_openai_errors, read_body
from orchestrator.routes.streamed import StreamedResponse
from orchestrator.schemas.openai import (
    SPEECH_EVENTS,
    SpeechDelta,
    SpeechDone,
    SpeechError,
    SpeechRequest,
    SpeechUsage,
)
from orchestrator.services import Services, services
from orchestrator.voices.languages import language_of
from orchestrator.voices.voice import SpeechOptions, Voice

log = logging.getLogger("lumen")

SPEECH_RATE: Final = 24_000
"""Samples per second, or the next higher rate that the format has."""

FORMATS: Final = {encoding.name: encoding for encoding in ENCODINGS}

DEFAULT_FORMAT: Final = "mp3"

EVENT_STREAM: Final = "text/event-stream"

TOKENS_PER_SECOND: Final = 20
"""Steps in which sound is counted as tokens."""

NAMED_FIELDS: Final = 8
"""Unknown fields that a warning names."""

ANSWERS: Final[dict[str, Any]] = {
    "content": {
        **{each.media_type: {"schema": {"type": "string", "format": "binary"}} for each in ENCODINGS},
        EVENT_STREAM: {
            "itemSchema": {
                "type": "object",
                "required": ["data"],
                "properties": {
                    "data": {
                        "type": "string",
                        "contentMediaType": JSON,
                        "contentSchema": {
                            "oneOf": [
                                {"$ref": REFERENCE.format(model=each.__name__)} for each in SPEECH_EVENTS
                            ]
                        },
                    }
                },
            }
        },
    }
}

router = APIRouter(
    prefix="/v1/audio",
    tags=["openai"],
    responses=describe_openai_errors(400, 403, 404, 408, 413, 415, 429, 500, 503, 504),
)

Use = Annotated[Services, Depends(services)]


@router.post(
    "/speech",
    response_class=Response,
    responses={200: ANSWERS},
    openapi_extra=describe_body(SpeechRequest),
)
async def create_speech(request: Request, use: Use) -> Response:
    """Speech in the format that is asked for, sent while it is made; or events that carry it."""
    body = (await read_body(request, SpeechRequest, use.settings.max_speech_length)).fields
    log.info("Speech request: %s", excerpt(body.input))
    options, speaker = await _speech_options(body, use)
    encoding = FORMATS[body.response_format or DEFAULT_FORMAT]
    rate = encoding.rate(SPEECH_RATE)
    headers = {
        "Cache-Control": "no-store",
        SAMPLE_RATE_HEADER: str(rate),
        VOICE_PART_HEADER: speaker.name,
        **({} if options.seed is None else {SEED_HEADER: str(options.seed)}),
        **_warnings(body),
    }
    made: list[StreamedSpeech] = []
    sound = use.pipeline.speech(body.input, options, encoding, rate, output_name(), made.append)
    if body.stream_format == "sse":
        return StreamedResponse(_events(sound, body.input, made), {"Content-Type": EVENT_STREAM, **headers})
    return StreamedResponse(sound, {"Content-Type": encoding.content_type(rate), **headers})


async def _speech_options(body: SpeechRequest, use: Services) -> tuple[SpeechOptions, Voice]:
    """Options of the speech, and the part that speaks."""
    chain = use.models.get_voice()
    name, language = await _voice(body.voice, chain, use.settings.default_voice)
    language = body.language or language or language_of(body.input, chain.family)
    speaker = chain.choose(language, name)
    seed = secrets.randbelow(MAX_SEED + 1) if speaker.family.seeded else None
    speed = 1.0 if body.speed is None else body.speed
    return SpeechOptions(language, name, speed, seed, speaker.family.options()), speaker


async def _voice(name: str | None, chain: Voice, default: str) -> tuple[str, str | None]:
    """The voice that is meant, and its language where its name has one: one of the server's goes first."""
    if name is None or name == DEFAULT_VOICE:
        return default, None
    try:
        return (await chain.card(name)).id, None
    except NotFoundException:
        return known_voice(name, default)


def _warnings(body: SpeechRequest) -> dict[str, str]:
    """The header about fields without effect; none where all have one."""
    ignored = [*(["instructions"] if body.instructions else []), *body.unknown[:NAMED_FIELDS]]
    if not ignored:
        return {}
    names = ", ".join(excerpt(name) for name in ignored).encode("ascii", "replace").decode()
    return {WARNINGS_HEADER: f"without effect here: {names}"}


async def _events(sound: Stream[bytes], text: str, made: list[StreamedSpeech]) -> Stream[bytes]:
    """Yield server-sent events that carry ``sound``; what fails after the first one is an event too."""
    begun = False
    try:
        async with aclosing(sound) as chunks:
            async for chunk in chunks:
                yield _event(SpeechDelta(audio=base64.b64encode(chunk).decode()))
                begun = True
    except LumenException as error:
        if not begun:
            raise
        name = type(error).__name__
        log.error("The speech ends early: %s: %s", name, error.message)
        yield _event(SpeechError.model_validate(openai_error(error.status, name, error.message)))
        return
    yield _event(SpeechDone(usage=_usage(text, made[0].seconds)))


def _event(event: BaseModel) -> bytes:
    return format_sse_event(data_str=event.model_dump_json())


def _usage(text: str, seconds: float) -> SpeechUsage:
    heard = round(seconds * TOKENS_PER_SECOND)
    return SpeechUsage(
        input_tokens=len(text), output_tokens=heard, total_tokens=len(text) + heard, seconds=seconds
    )
