"""``POST /api/generate/...``: text, speech, video, and all of it."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, Request, Response

from lumen import registry
from lumen.aio import Stream
from lumen.client import PROGRESS_HEADER
from lumen.contracts import MAX_SEED
from lumen.errors import InvalidInputException
from lumen.families.description import DEFAULT_VOICE, VoiceFamily
from lumen.options import specs
from lumen.text.language import suggest_language
from lumen.text.speakable import sure_language
from orchestrator.core.middleware import (
    SAMPLE_RATE_HEADER,
    SEED_HEADER,
    VIDEO_URL_HEADER,
    VOICE_PART_HEADER,
)
from orchestrator.media.decode_audio import DecodedAudio, decode_audio
from orchestrator.media.encodings import ENCODINGS, choose_encoding
from orchestrator.messages import excerpt
from orchestrator.pipeline.jobs import RenderJob
from orchestrator.pipeline.progress import Progress
from orchestrator.request_context import request_id, stamp
from orchestrator.routes.bodies import Body, describe_body, describe_errors, read_body
from orchestrator.routes.render_jobs import output_options, render_job
from orchestrator.routes.responses import full_response, speech_response, text_response, video_response
from orchestrator.routes.streamed import StreamedResponse
from orchestrator.schemas.generation import FullRequest, SamplingFields, TextRequest, TtsRequest, VideoRequest
from orchestrator.schemas.generation_results import (
    FullResponse,
    ProgressResponse,
    TextResponse,
    TtsResponse,
    VideoResponse,
)
from orchestrator.services import Services, held_places, services
from orchestrator.voices.voice import SpeechOptions
from orchestrator.writers.writer import Message, WriterRequest

DEFAULT_LANGUAGE: Final = "en"
"""Language of speech where none is given and the text does not say."""

log = logging.getLogger("lumen")

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

PROGRESS_KEY: Final = {
    "parameters": [
        {
            "name": PROGRESS_HEADER,
            "in": "header",
            "description": "a UUID of yours, to ask for the clip's progress by",
            "schema": {"type": "string"},
        }
    ]
}
"""Described by hand: FastAPI would promise a 422 for it, which this API never answers."""


@router.post("/text", response_model_exclude_none=True, openapi_extra=describe_body(TextRequest))
async def generate_text(request: Request, use: Use) -> TextResponse:
    """Text generation."""
    body = await read_body(request, TextRequest, use.settings.max_text_length)
    log.info("Text generation request: %s", excerpt(body.fields.prompt))
    return text_response(await use.pipeline.text(_writer_request(body.fields)))


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
    preferred), audio/mpeg, audio/ogg (Opus at 48 kHz), audio/pcm (16-bit little-endian). A stream that fails
    midway breaks off without the end of its body.
    """
    body = await read_body(request, TtsRequest, use.settings.max_text_length)
    log.info("Speech request: %s", excerpt(body.fields.text))
    options = _speech_options(body.fields, body.fields.text, use, body.fields.seed)
    if body.fields.stream:
        return _streamed(body.fields.text, options, ",".join(request.headers.getlist("accept")), use)
    output = output_options(body.fields, use)
    made = await use.pipeline.speak(body.fields.text, options, request_id.get(), output)
    return speech_response(made, use.outputs)


@router.post(
    "/video",
    response_model=VideoResponse,
    response_model_exclude_none=True,
    responses={200: STREAMED_VIDEO, **describe_errors(404)},
    openapi_extra={**describe_body(VideoRequest), **PROGRESS_KEY},
)
async def generate_video(request: Request, use: Use, held: Held) -> VideoResponse | Response:
    """Video of a portrait that speaks given audio: a file, or with `stream` the video while it is made."""
    use.pipeline.clips.check()
    body = await read_body(request, VideoRequest, use.settings.max_text_length)
    log.info("Video request: %s", _sound(body))
    held.enter_context(use.pipeline.clips.reserved())
    job = await render_job(body, use, request_id.get())
    audio = await _audio(body, use)
    if body.fields.stream:
        making = partial(use.pipeline.video_stream, audio.pcm, job)
        return _streamed_video(making, job, request, use)
    with use.progress.shown(request.headers.get(PROGRESS_HEADER)) as progress:
        clip = await use.pipeline.video(audio.pcm, job, progress)
        clip = replace(clip, warnings=(*audio.warnings, *clip.warnings))
        return video_response(clip, use.outputs)


@router.post(
    "/full",
    response_model=FullResponse,
    response_model_exclude_none=True,
    responses={200: STREAMED_VIDEO, **describe_errors(404)},
    openapi_extra={**describe_body(FullRequest), **PROGRESS_KEY},
)
async def generate_full(request: Request, use: Use, held: Held) -> FullResponse | Response:
    """The full pipeline: text, audio, video; with `stream` the video itself while it is made."""
    use.pipeline.clips.check()
    body = await read_body(request, FullRequest, use.settings.max_text_length)
    log.info("Full pipeline request: %s", excerpt(body.fields.prompt))
    held.enter_context(use.pipeline.clips.reserved())
    job = await render_job(body, use, request_id.get())
    options = _speech_options(body.fields, body.fields.prompt, use, job.animation.seed)
    if body.fields.stream:
        asked = _writer_request(body.fields, options.language)
        return _streamed_video(
            lambda shown: use.pipeline.full_stream(asked, options, job, shown), job, request, use
        )
    with use.progress.shown(request.headers.get(PROGRESS_HEADER)) as progress:
        clip = await use.pipeline.full(_writer_request(body.fields, options.language), options, job, progress)
        return full_response(clip, use.outputs)


@router.get("/progress/{key}", responses=describe_errors(404))
async def read_progress(key: str, use: Use) -> ProgressResponse:
    """Report the progress of the clip whose request carries `key` in its header."""
    progress = use.progress.read(key)
    return ProgressResponse(**stamp(), audio_seconds=progress.audio_seconds, frames=progress.frames)


def _writer_request(fields: TextRequest, language: str | None = None) -> WriterRequest:
    history = [
        Message("user" if m.role == "user" else "model", m.content) for m in fields.conversation_history
    ]
    return WriterRequest(fields.prompt, history, language, fields.temperature, fields.max_tokens)


def _speech_options(
    fields: TtsRequest | FullRequest, text: str, use: Services, seed: int | None
) -> SpeechOptions:
    """Speech options of a request; a seed by chance where the voice has a use for one and none is given.

    Args:
        text: says the language where none is given.
        seed: used where the voice is seeded.

    Raises:
        InvalidInputException: the voice cannot do what is asked.
    """
    name = use.settings.default_voice if fields.voice == DEFAULT_VOICE else fields.voice
    language = fields.language or _language_of(text, use.models.get_voice().family)
    family = use.models.get_voice().choose(language, name).family
    _refuse_unused(family, fields.seed if isinstance(fields, TtsRequest) else None, fields.sampling)
    seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
    sampling = {} if fields.sampling is None else fields.sampling.model_dump(exclude_none=True)
    options = registry.options_of(family, sampling)
    return SpeechOptions(language, name, fields.speed, seed if family.seeded else None, options)


def _language_of(text: str, family: VoiceFamily) -> str:
    """The language of a text where that is certain and the voice speaks it; English where not."""
    found = sure_language(text)
    return (suggest_language(found, family.languages) if found else None) or DEFAULT_LANGUAGE


def _refuse_unused(family: VoiceFamily, seed: int | None, sampling: SamplingFields | None) -> None:
    """Raises:
    InvalidInputException: a seed or sampling came for a voice that has no use for it.
    """
    unused = {
        "seed": None if family.seeded else seed,
        "sampling": None if specs(family.options) else sampling,
    }
    for name, value in unused.items():
        if value is not None:
            raise InvalidInputException(
                f"{name}: the voice part is {family.name}, which leaves nothing to chance; leave it out"
            )


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
    return StreamedResponse(use.pipeline.speech(text, options, encoding, rate, request_id.get()), headers)


def _streamed_video(
    make: Callable[[Progress], Stream[bytes]], job: RenderJob, request: Request, use: Services
) -> StreamedResponse:
    """The video while it is made; a header tells where its file will lie."""
    key = request.headers.get(PROGRESS_HEADER)

    async def chunks() -> Stream[bytes]:
        with use.progress.shown(key) as progress:
            async with aclosing(make(progress)) as made:
                async for chunk in made:
                    yield chunk

    headers = {
        "Content-Type": VIDEO_TYPE,
        "Cache-Control": "no-store",
        SEED_HEADER: str(job.animation.seed),
        VIDEO_URL_HEADER: use.outputs.url(use.outputs.video(job.name)),
    }
    return StreamedResponse(chunks(), headers)


def _read(use: Services, url: str) -> bytes:
    path = use.outputs.resolve(url, use.sound.make)
    with use.kept.lease(path):
        return path.read_bytes()


async def _audio(body: Body[VideoRequest], use: Services) -> DecodedAudio:
    """The audio of the request, at the settings' rate."""
    upload, url, idle = body.file("audio"), body.fields.audio_url, body.fields.idle_seconds
    if sum(source is not None for source in (upload, url, idle)) != 1:
        raise InvalidInputException("Send one of audio_url, idle_seconds and, in a form, a file named audio.")
    if idle is not None:
        return DecodedAudio(_silence(idle, use))
    data = upload if upload is not None else await asyncio.to_thread(_read, use, url or "")
    rate, limit = use.settings.audio_sample_rate, use.settings.max_audio_seconds
    return await use.models.decode_gate.run(decode_audio, data, rate, limit)


def _silence(seconds: float, use: Services) -> npt.NDArray[np.float32]:
    """Silence of somebody who does not speak: float32 [n_samples] at the settings' rate."""
    if seconds > use.settings.max_audio_seconds:
        raise InvalidInputException(
            f"idle_seconds is {seconds:g}; the limit is {use.settings.max_audio_seconds:g} s"
        )
    return np.zeros(max(1, round(seconds * use.settings.audio_sample_rate)), np.float32)


def _sound(body: Body[VideoRequest]) -> str:
    """Describe the sound that a video is made from, for the log."""
    fields = body.fields
    if fields.idle_seconds is not None:
        return f"{fields.idle_seconds:g} s idle"
    return excerpt(fields.audio_url or "uploaded audio")
