"""``GET /``, ``/livez``, ``/readyz``, ``/health`` and ``/api/status``."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from lumen import __version__
from lumen.addresses import hosts_of
from lumen.aio import with_timeout
from lumen.contracts import FACE_FPS, MAX_SEED
from lumen.errors import LumenException, ServiceUnavailableException
from lumen.families.description import SPEEDS
from lumen.families.xtts.family import MAX_RECORDINGS, MIN_REFERENCE_SECONDS
from lumen.options import limits
from lumen.settings import Settings
from lumen.text.language import distinct_names
from orchestrator.core.model_manager import ModelManager
from orchestrator.media.encodings import ENCODINGS
from orchestrator.request_context import stamp
from orchestrator.routes.bodies import describe_errors
from orchestrator.schemas.generation import HISTORY_CHARACTERS, HISTORY_MESSAGES
from orchestrator.schemas.health import (
    GpuHealth,
    HealthResponse,
    ModelHealth,
    ReadyResponse,
    RootResponse,
    StatusResponse,
    TritonHealth,
)
from orchestrator.services import Services, services
from orchestrator.triton.gpu import read_gpus

router = APIRouter(tags=["health"], responses=describe_errors(429, 500))

Use = Annotated[Services, Depends(services)]

VOICES_SECONDS: Final = 3.0
"""Time that the list of voices may take before the status goes without it."""

VARIES: Final = {"Vary": "Accept"}


@router.get("/", response_model=RootResponse)
async def root(request: Request, response: Response) -> RootResponse | Response:
    """Whether the API is there. A browser, which asks for HTML, is led to the page at /chat."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("chat", headers=VARIES)
    response.headers.update(VARIES)
    return RootResponse(**stamp(), status="ok", service="LUMEN", version=__version__, docs="/docs")


@router.get("/livez")
async def live() -> ReadyResponse:
    """Whether the API's process answers; nothing else is asked."""
    return ReadyResponse(**stamp(), status="live")


@router.get("/readyz", responses=describe_errors(503))
async def ready(use: Use) -> ReadyResponse:
    """Whether generation works here; 503 while it does not, and from when the server is told to stop."""
    use.drain.check()
    live, models = await asyncio.gather(use.models.is_live(), _models(use.models))
    if not live or _broken(models, use.models.loads_models):
        raise ServiceUnavailableException("Generation does not work now; GET /health says why.")
    return ReadyResponse(**stamp(), status="ready")


@router.get("/health")
async def health(use: Use) -> HealthResponse:
    """Whether generation works: Triton, each model of the chain, GPUs."""
    triton, models, gpus = await asyncio.gather(
        _triton(use), _models(use.models), asyncio.to_thread(_gpus, use.settings)
    )
    return HealthResponse(
        **stamp(),
        # Not by Triton's readiness, which any model ends that did not load, if only one request wanted it.
        status="healthy" if triton.live and not _broken(models, use.models.loads_models) else "degraded",
        version=__version__,
        triton=triton,
        models=models,
        gpu_enabled=use.settings.gpu_enabled,
        gpus=gpus,
        active_clips=use.pipeline.active_clips,
        live_sessions=use.live.count,
    )


@router.get("/api/status")
async def status(use: Use) -> StatusResponse:
    """Configuration and limits; never the key."""
    settings = use.settings
    return StatusResponse(
        **stamp(),
        version=__version__,
        profile=settings.profile,
        parts=parts_of(use),
        gemini_configured=settings.gemini_api_key is not None,
        configuration=_configuration(settings),
        limits=_limits(use),
        portraits=use.portraits.names(),
        marking={"metadata": True, "signed": use.marking.signs, "label": use.marking.label or None},
        languages=distinct_names(use.models.get_voice().family.languages),
        voices=await _voices(use),
    )


async def _voices(use: Services) -> list[str]:
    """Names of the voices; none where checkpoint or bucket are not there, which /api/voices explains."""
    try:
        cards = await with_timeout(VOICES_SECONDS, use.models.get_voice().cards())
    except (LumenException, TimeoutError):
        return []
    return [card.name for card in cards]


async def _triton(use: Services) -> TritonHealth:
    client = use.models.face_triton
    live, ready, version = await asyncio.gather(use.models.is_live(), client.is_ready(), client.version())
    urls = dict.fromkeys((use.models.voice_triton.url, client.url))
    return TritonHealth(live=live, ready=ready, version=version, url=", ".join(urls))


async def _models(manager: ModelManager) -> dict[str, ModelHealth]:
    """State and statistics of the chain's models; all are UNAVAILABLE when Triton is not there."""
    try:
        states, statistics = await asyncio.gather(manager.states(), manager.statistics())
    except LumenException as error:
        return {name: ModelHealth(state="UNAVAILABLE", reason=error.message) for name in manager.models()}
    numbers = {name: _numbers(item) for name, item in statistics.items()}
    return {
        name: ModelHealth(state=state.state, reason=state.reason, **numbers.get(name, {}))
        for name, state in states.items()
    }


def _numbers(statistics: Any) -> dict[str, Any]:
    """Triton's ``ModelStatistics`` as the fields of `ModelHealth`."""
    success = statistics.inference_stats.success
    return {
        "inferences": statistics.inference_count,
        "executions": statistics.execution_count,
        "failures": statistics.inference_stats.fail.count,
        "mean_ms": round(success.ns / success.count / 1e6, 3) if success.count else None,
    }


def _broken(models: dict[str, ModelHealth], loads_models: bool) -> bool:
    """An unloaded model is fine where the first request loads it."""
    missing = ("UNAVAILABLE",) if loads_models else ("UNAVAILABLE", "UNLOADED")
    return any(model.state in missing for model in models.values())


def _gpus(settings: Settings) -> list[GpuHealth]:
    """GPUs of all Tritons whose addresses are known; of several behind a name, those of one. Blocks."""
    urls = (settings.triton_url, settings.triton_voice_url, settings.triton_face_url)
    hosts = {host for url in urls if url for host in hosts_of(url)}
    port = settings.triton_metrics_port
    return [gpu for host in sorted(hosts) for gpu in read_gpus(f"http://{host}:{port}/metrics")]


def parts_of(use: Services) -> dict[str, str]:
    """Names of the parts, by stage; a listener is there where speech is recognised."""
    configured = use.settings.writer
    automatic = "echo" if use.settings.gemini_api_key is None else "gemini"
    return {
        "writer": automatic if configured == "auto" else configured,
        "voice": use.models.get_voice().name,
        "face": use.models.get_face().name,
        **_listener(use),
    }


def _listener(use: Services) -> dict[str, str]:
    try:
        listener = use.models.get_listener()
    except LumenException:  # conversations say why
        return {}
    recognizers = () if listener is None else listener.recognizers
    return {"listener": recognizers[0].name} if recognizers else {}


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "gemini_model": settings.gemini_model,
        "default_portrait": settings.portrait,
        "default_voice": settings.default_voice,
        "video_size": settings.video_size,
        "video_fps": settings.video_fps,
        "face_fps": FACE_FPS,
        "audio_sample_rate": settings.audio_sample_rate,
        "gpu_enabled": settings.gpu_enabled,
        "cors_origins": settings.cors_origins,
        "audio_format": settings.audio_format,
        "moderation": settings.moderation is not None,
        "require_consent": settings.require_consent,
    }


def _limits(use: Services) -> dict[str, Any]:
    settings = use.settings
    return {
        "max_text_length": settings.max_text_length,
        "max_speech_length": settings.max_speech_length,
        "max_body_bytes": settings.max_body_bytes,
        "max_image_pixels": settings.max_image_pixels,
        "max_audio_seconds": settings.max_audio_seconds,
        "max_json_bytes": settings.max_json_bytes,
        "max_concurrent_clips": settings.max_concurrent_clips,
        "max_concurrent_speech": settings.max_concurrent_speech,
        "client_share": settings.client_share,
        "max_live_sessions": settings.max_live_sessions,
        "rate_limit": settings.rate_limit,
        "history_messages": HISTORY_MESSAGES,
        "history_characters": HISTORY_CHARACTERS,
        "temperature": [0, 2],
        "max_tokens": [1, 8192],
        "speed": list(SPEEDS),
        "seed": [0, MAX_SEED],
        "sampling": limits(use.models.get_voice().family.options),
        "voice_recordings": MAX_RECORDINGS,
        "voice_seconds": [MIN_REFERENCE_SECONDS, settings.max_reference_seconds],
        "max_voices": settings.max_voices,
        "max_avatars": settings.max_avatars,
        "retention_seconds": use.kept.seconds or None,
        "retention_bytes": settings.retention_bytes or None,
        "max_driving_seconds": settings.max_driving_seconds,
        "max_video_side": settings.max_video_side,
        "controls": limits(use.models.get_face().family.options),
        "stream_types": [encoding.media_type for encoding in ENCODINGS],
    }
