"""The FastAPI app. ``uvicorn main:app`` and ``orchestrator/run.py`` serve it.

Importing this module does nothing; ``app`` is made when it is asked for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from lumen import __version__
from lumen.aio import cancel
from lumen.allocator import return_large_blocks
from lumen.errors import NotFoundException
from lumen.settings import Settings
from orchestrator.access.middleware import AccessMiddleware
from orchestrator.core.exceptions import add_handlers
from orchestrator.core.idempotency import IdempotencyMiddleware, make_answers
from orchestrator.core.logging_config import logging_to
from orchestrator.core.middleware import add_middleware
from orchestrator.core.model_manager import ModelManager, model_manager
from orchestrator.core.rate_limit import RateLimiter
from orchestrator.jobs.job import PREFIX as JOB_PREFIX
from orchestrator.observability.metrics_server import served_metrics
from orchestrator.routes import (
    access,
    avatars,
    generation,
    health,
    openai_speech,
    openai_voices,
    outputs,
    realtime,
    videos,
    voices,
    webhooks,
)
from orchestrator.routes.chat import mount_chat
from orchestrator.routes.description import openapi, operation_id
from orchestrator.routes.docs import add_docs
from orchestrator.routes.files import OutputFiles
from orchestrator.services import Services, make_services
from orchestrator.store.outputs import URL_PREFIX
from orchestrator.store.retention import watch_outputs

DESCRIPTION = "A prompt becomes a video of a portrait that speaks the answer."


def create_app(settings: Settings, models: ModelManager | None = None) -> FastAPI:
    """The app for ``settings``.

    Files, logs and connections are opened when it starts, and closed when it stops.

    Args:
        models: who loads the models; an own one by default.
    """
    app = FastAPI(
        title="LUMEN",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        servers=[{"url": "/", "description": "this server"}],
        lifespan=_lifespan,
    )
    app.state.services = make_services(settings, models or ModelManager(settings))
    app.state.limiter = RateLimiter(settings.rate_limit, settings.rate_limit_storage)
    app.state.answers = make_answers(settings)
    app.include_router(health.router)
    app.include_router(generation.router)
    app.include_router(videos.router)
    app.include_router(voices.router)
    app.include_router(avatars.router)
    app.include_router(openai_speech.router)
    app.include_router(openai_voices.router)
    app.include_router(webhooks.router)
    app.include_router(outputs.router)
    app.include_router(realtime.router)
    app.include_router(access.router)
    mount_chat(app)
    made = app.state.services
    app.mount(URL_PREFIX, OutputFiles(made.outputs, made.kept, made.sound), name="outputs")
    add_docs(app)
    add_handlers(app)
    limiter, services = app.state.limiter, app.state.services
    access_middleware = Middleware(AccessMiddleware, services.access, limiter)
    kept_answers = {"answers": app.state.answers, "is_there": partial(_is_there, services)}
    answers_middleware = Middleware(IdempotencyMiddleware, **kept_answers)
    watched = services.metrics, services.tracing
    add_middleware(app, settings, limiter, access_middleware, answers_middleware, *watched)
    app.openapi = partial(openapi, app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


async def _is_there(services: Services, name: str) -> bool:
    """Whether the output, or the job, of this id is there."""
    if not name.startswith(JOB_PREFIX):
        return bool(await asyncio.to_thread(services.kept.read, name))
    try:
        await services.jobs.find(name)
    except NotFoundException:
        return False
    return True


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services = app.state.services
    return_large_blocks()
    settings = services.settings
    with (
        logging_to(settings.logs_path, settings.log_format),
        served_metrics(services.metrics, settings.metrics_host, settings.metrics_port),
    ):
        services.outputs.create()
        await asyncio.to_thread(services.clear)
        await asyncio.to_thread(services.access.start)
        await services.webhooks.start()
        services.tracing.start()
        await services.moderation.start()
        retention = asyncio.create_task(watch_outputs(services.kept, services.outputs))
        idle_clips = asyncio.create_task(services.live.idle.watch())
        await services.jobs.start()
        try:
            yield
        finally:
            await cancel(retention)
            await cancel(idle_clips)
            await services.moderation.close()
            await services.live.stop()
            await services.jobs.stop()
            await services.webhooks.stop()
            await services.models.close()
            await app.state.limiter.close()
            await app.state.answers.close()
            await services.access.close()
            await asyncio.to_thread(services.tracing.stop)


@cache
def _process_app() -> FastAPI:
    """The app of this process: its settings come from the environment."""
    return create_app(model_manager.settings, model_manager)


def __getattr__(name: str) -> Any:
    if name == "app":
        return _process_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
