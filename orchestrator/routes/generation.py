"""``POST /api/generate/...``: text, speech, video, and all of it."""

import logging
from contextlib import ExitStack, aclosing
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from lumen.aio import Stream
from lumen.client import PROGRESS_HEADER
from orchestrator.core.middleware import (
    SAMPLE_RATE_HEADER,
    SEED_HEADER,
    VIDEO_URL_HEADER,
    VOICE_PART_HEADER,
)
from orchestrator.generation.answers import speech_response, text_response
from orchestrator.generation.audio import describe_audio
from orchestrator.generation.clips import ClipBody, ClipOrder, clip_order
from orchestrator.generation.render_jobs import output_options
from orchestrator.generation.speech import speech_options, writer_request
from orchestrator.jobs.service import Asked
from orchestrator.media.encodings import ENCODINGS, choose_encoding
from orchestrator.messages import excerpt
from orchestrator.request_context import output_name, stamp
from orchestrator.routes.bodies import describe_body, describe_errors, is_json, read_body
from orchestrator.routes.streamed import StreamedResponse
from orchestrator.routes.videos import PREFER, accepted, describe_background, prefers_background
from orchestrator.schemas.body import Body
from orchestrator.schemas.generation import FullRequest, TextRequest, TtsRequest, VideoRequest
from orchestrator.schemas.generation_results import (
    FullResponse,
    ProgressResponse,
    TextResponse,
    TtsResponse,
    VideoResponse,
)
from orchestrator.services import Services, held_places, services
from orchestrator.voices.voice import SpeechOptions

log = logging.getLogger("lumen")

C = TypeVar("C", FullRequest, VideoRequest)

STREAMED: Final[dict[str, Any]] = {
    "content": {
        encoding.media_type: {"schema": {"type": "string", "format": "binary"}} for encoding in ENCODINGS
    }
}
"""Answers of the speech endpoint besides JSON."""

VIDEO_TYPE: Final = "video/mp4"

STREAMED_VIDEO: Final[dict[str, Any]] = {
    "content": {VIDEO_TYPE: {"schema": {"type": "string", "format": "binary"}}}
}
"""Answers of the video endpoints besides JSON."""

router = APIRouter(
    prefix="/api/generate",
    tags=["generation"],
    responses=describe_errors(400, 403, 408, 413, 415, 429, 500, 503, 504, 507),
)

Use = Annotated[Services, Depends(services)]
Held = Annotated[ExitStack, Depends(held_places, scope="function")]

CLIP_HEADERS: Final = {
    "parameters": [
        {
            "name": PROGRESS_HEADER,
            "in": "header",
            "description": "a UUID of yours, to ask for the clip's progress by",
            "schema": {"type": "string"},
        },
        {
            "name": "Prefer",
            "in": "header",
            "description": f"{PREFER}: the clip is made in the background, and the answer comes at once",
            "schema": {"type": "string"},
        },
    ]
}
"""Described by hand: FastAPI would promise a 422 for them, which this API never answers."""


@router.post("/text", response_model_exclude_none=True, openapi_extra=describe_body(TextRequest))
async def generate_text(request: Request, use: Use) -> TextResponse:
    """Text generation."""
    body = await read_body(request, TextRequest, use.settings.max_text_length)
    log.info("Text generation request: %s", excerpt(body.fields.prompt))
    return text_response(await use.pipeline.text(writer_request(body.fields)))


@router.post(
    "/tts",
    response_model=TtsResponse,
    response_model_exclude_none=True,
    responses={200: STREAMED, **describe_errors(404, 406)},
    openapi_extra=describe_body(TtsRequest),
)
async def generate_speech(request: Request, use: Use) -> TtsResponse | Response:
    """Text-to-speech: a file, or with `stream` the audio itself while it is being made.

    What streams is of the kind that `Accept` prefers: audio/wav (of unknown length, and where nothing is
    preferred), audio/mpeg, audio/ogg (Opus at 48 kHz), audio/pcm (16-bit little-endian), audio/aac,
    audio/flac. A stream that fails midway breaks off without the end of its body.
    """
    body = await read_body(request, TtsRequest, use.settings.max_text_length)
    log.info("Speech request: %s", excerpt(body.fields.text))
    options = speech_options(body.fields, body.fields.text, use, body.fields.seed)
    if body.fields.stream:
        return _streamed(body.fields.text, options, ",".join(request.headers.getlist("accept")), use)
    output = output_options(body.fields, use)
    made = await use.pipeline.speak(body.fields.text, options, output_name(), output)
    return speech_response(made, use.outputs)


@router.post(
    "/video",
    response_model=VideoResponse,
    response_model_exclude_none=True,
    responses={200: STREAMED_VIDEO, **describe_background(), **describe_errors(404)},
    openapi_extra={**describe_body(VideoRequest), **CLIP_HEADERS},
)
async def generate_video(request: Request, use: Use, held: Held) -> VideoResponse | Response:
    """Video of a portrait that speaks given audio: a file, or with `stream` the video while it is made."""
    body = await _clip_body(request, VideoRequest, use)
    log.info("Video request: %s", describe_audio(body))
    return await _clip(body, request, use, held)


@router.post(
    "/full",
    response_model=FullResponse,
    response_model_exclude_none=True,
    responses={200: STREAMED_VIDEO, **describe_background(), **describe_errors(404)},
    openapi_extra={**describe_body(FullRequest), **CLIP_HEADERS},
)
async def generate_full(request: Request, use: Use, held: Held) -> FullResponse | VideoResponse | Response:
    """The full pipeline: text, audio, video; with `stream` the video itself while it is made."""
    body = await _clip_body(request, FullRequest, use)
    log.info("Full pipeline request: %s", excerpt(body.fields.prompt))
    return await _clip(body, request, use, held)


@router.get("/progress/{key}", responses=describe_errors(404))
async def read_progress(key: str, use: Use) -> ProgressResponse:
    """Report the progress of the clip whose request carries `key` in its header."""
    progress = use.progress.read(key)
    return ProgressResponse(**stamp(), audio_seconds=progress.audio_seconds, frames=progress.frames)


async def _clip_body(request: Request, model: type[C], use: Services) -> Body[C]:
    """Read a request for a clip; one that waits for it is refused before its uploads are read.

    Whether a form asks for a job is known by its header alone.
    """
    if prefers_background(request):
        await use.jobs.check_room()
    elif not is_json(request):
        use.pipeline.clips.check()
    return await read_body(request, model, use.settings.max_text_length)


async def _clip(
    body: ClipBody, request: Request, use: Services, held: ExitStack
) -> FullResponse | VideoResponse | Response:
    if body.fields.background or prefers_background(request):
        return await accepted(body, Asked(), request, use)
    held.enter_context(use.pipeline.clips.reserved())
    order = await clip_order(body, use, output_name())
    if body.fields.stream:
        return _streamed_video(order, request, use)
    with use.progress.shown(request.headers.get(PROGRESS_HEADER)) as progress:
        return await order.make(use, progress)


def _streamed(text: str, options: SpeechOptions, accept: str, use: Services) -> StreamedResponse:
    """The speech in the kind that ``accept`` prefers."""
    encoding = choose_encoding(accept)
    rate = encoding.rate(use.settings.audio_sample_rate)
    headers = {
        "Content-Type": encoding.content_type(rate),
        "Cache-Control": "no-store",
        SAMPLE_RATE_HEADER: str(rate),
        VOICE_PART_HEADER: use.models.get_voice().choose(options.language, options.voice).name,
        **({} if options.seed is None else {SEED_HEADER: str(options.seed)}),
    }
    return StreamedResponse(use.pipeline.speech(text, options, encoding, rate, output_name()), headers)


def _streamed_video(order: ClipOrder, request: Request, use: Services) -> StreamedResponse:
    """The video while it is made; a header tells where its file will lie."""
    key = request.headers.get(PROGRESS_HEADER)

    async def chunks() -> Stream[bytes]:
        with use.progress.shown(key) as progress:
            async with aclosing(order.stream(use.pipeline, progress)) as made:
                async for chunk in made:
                    yield chunk

    headers = {
        "Content-Type": VIDEO_TYPE,
        "Cache-Control": "no-store",
        SEED_HEADER: str(order.job.animation.seed),
        VIDEO_URL_HEADER: use.outputs.url(use.outputs.video(order.job.name)),
    }
    return StreamedResponse(chunks(), headers)
