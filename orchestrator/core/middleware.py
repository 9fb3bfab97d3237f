"""Middleware of every request, outermost first.

Identity and log, form, CORS, errors, access, rate, size, idempotency key, disconnect. All are plain ASGI:
nothing is buffered but the body of a request with an ``Idempotency-Key``, and a cancelled request is
cancelled to its core.
"""

import asyncio
import logging
import time
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumen.aio import cancel
from lumen.errors import LumenException, ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.core.body_limit import BodyLimitMiddleware, body_limits
from orchestrator.core.clients import client_of
from orchestrator.core.exceptions import error_response, unhandled
from orchestrator.core.idempotency import REPLAYED_HEADER
from orchestrator.core.rate_limit import RateLimiter
from orchestrator.core.uniform import UniformMiddleware
from orchestrator.messages import excerpt
from orchestrator.observability.metrics import Metrics
from orchestrator.observability.tracing import Span, Tracing, span_above
from orchestrator.request_context import client, identified, owner, rate, request_id, response_headers, route
from orchestrator.store.outputs import URL_PREFIX

log = logging.getLogger("lumen")

REQUEST_ID_HEADER: Final = "X-Request-ID"

SAMPLE_RATE_HEADER: Final = "X-Sample-Rate"
SEED_HEADER: Final = "X-Seed"
VOICE_PART_HEADER: Final = "X-Voice-Part"
VIDEO_URL_HEADER: Final = "X-Video-Url"
WARNINGS_HEADER: Final = "X-Warnings"
"""Header of a streamed answer, for what others tell in their JSON."""

API_PREFIXES: Final = ("/api/", "/v1/")
"""Paths that the rate limit counts. Files under /outputs, health checks and the docs are free."""

FREE_PATHS: Final = ("/api/status", "/api/generate/progress/", "/v1/videos/", "/v1/realtime/idle/")
"""Exceptions from these that are free too: clients ask often, and little is done for it."""

WORK_PREFIXES: Final = ("/api/generate/", "/api/voices", "/api/avatars", "/v1/audio/")
"""Paths whose work stops when the client leaves."""

NO_ROUTE: Final = "none"
"""Template of a request that no route answered."""

CLIENT_CLOSED: Final = 499
"""Status in the log of a request whose client left: no status was sent."""


def add_middleware(
    app: FastAPI,
    settings: Settings,
    limiter: RateLimiter,
    access: Middleware,
    answers: Middleware,
    metrics: Metrics,
    tracing: Tracing,
) -> None:
    """Wrap ``app``; the last one added is the outermost.

    Args:
        access: decides who may do what. answers: gives those again whose ``Idempotency-Key`` came.
    """
    app.add_middleware(DisconnectMiddleware)
    app.add_middleware(answers.cls, *answers.args, **answers.kwargs)
    app.add_middleware(BodyLimitMiddleware, limits=body_limits(settings))
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
    app.add_middleware(access.cls, *access.args, **access.kwargs)
    app.add_middleware(ErrorMiddleware)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
        allow_headers=["*"],
        expose_headers=[
            REQUEST_ID_HEADER,
            SAMPLE_RATE_HEADER,
            SEED_HEADER,
            VOICE_PART_HEADER,
            VIDEO_URL_HEADER,
            WARNINGS_HEADER,
            "Retry-After",
            "RateLimit",
            "RateLimit-Policy",
            "Content-Range",
            "Location",
            REPLAYED_HEADER,
            "ETag",
        ],
    )
    app.add_middleware(UniformMiddleware, own_head=(URL_PREFIX,))
    app.add_middleware(RequestLogMiddleware, metrics=metrics, tracing=tracing)


class RequestLogMiddleware:
    """Gives every request its id, in the log and in the response; log, metrics and trace say how it ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, method = Headers(scope=scope), excerpt(scope["method"])
        with identified(headers.get(REQUEST_ID_HEADER)), self._tracing.entered(headers):
            tokens = client.set(client_of(scope)), route.set(f"{method} {excerpt(scope['path'])}")
            headers_token = response_headers.set({})
            try:
                with span_above(method) as span:
                    await self._serve(scope, receive, send, span)
            finally:
                client.reset(tokens[0])
                route.reset(tokens[1])
                response_headers.reset(headers_token)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        start, status = time.perf_counter(), CLIENT_CLOSED

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update({**response_headers.get(), REQUEST_ID_HEADER: request_id.get()})
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds, template = time.perf_counter() - start, route_template(scope)
            told: dict[str, float] = {"status": status, "seconds": round(seconds, 3)}
            log.info("%s - %d - %.3f s - %s", route.get(), status, seconds, client.get(), extra=told)
            self._metrics.answered(template, scope["method"], status, seconds)
            span.rename(f"{excerpt(scope['method'])} {template}")
            span.note({"http.route": template, "http.response.status_code": status})


def route_template(scope: Scope) -> str:
    """The template of a request's route, of which there are few, where there are paths without number."""
    if scope["path"].startswith(f"{URL_PREFIX}/"):
        return URL_PREFIX
    return getattr(scope.get("route"), "path", None) or NO_ROUTE


class ErrorMiddleware:
    """Answers what the other middlewares raise, and every bug, with the body that all errors have.

    A request that is cancelled from outside is one that the server, which stops, does not wait for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except (Exception, asyncio.CancelledError) as error:
            if scope["type"] != "http":
                raise
            if not started:
                await _response_to(error, scope["path"])(scope, receive, send)
            elif isinstance(error, asyncio.CancelledError):
                log.warning("The server stops; the response breaks off")
            else:
                raise


def _response_to(error: Exception | asyncio.CancelledError, path: str) -> Response:
    if isinstance(error, asyncio.CancelledError):
        error = ServiceUnavailableException("The server stops; ask again when it is back.")
    if isinstance(error, LumenException):
        return error_response(error, path)
    return unhandled(error, path)


class RateLimitMiddleware:
    """Refuses a key, or without one a client address, that asks too often."""

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_counted(scope["path"]):
            await self._limiter.hit(owner.get() or client_of(scope), rate.get())
        await self._app(scope, receive, send)


def _is_counted(path: str) -> bool:
    return path.startswith(API_PREFIXES) and not path.startswith(FREE_PATHS)


class DisconnectMiddleware:
    """Cancels a generation when its client leaves, also in the middle of a streamed answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(WORK_PREFIXES):
            await self._app(scope, receive, send)
            return
        inbox: asyncio.Queue[Message | Exception] = asyncio.Queue(1)
        answered = False

        async def watched_send(message: Message) -> None:
            nonlocal answered
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        work = asyncio.create_task(self._work(scope, inbox, watched_send))
        watch = asyncio.create_task(_watch(receive, inbox))
        try:
            await asyncio.wait([work, watch], return_when=asyncio.FIRST_COMPLETED)
            if work.done() or answered:
                await work
            else:
                log.warning("The client left; the work stops")
        finally:
            await cancel(work, watch)

    async def _work(self, scope: Scope, inbox: "asyncio.Queue[Message | Exception]", send: Send) -> None:
        async def receive() -> Message:
            item = await inbox.get()
            if isinstance(item, Exception):
                raise item
            return item

        await self._app(scope, receive, send)


async def _watch(receive: Receive, inbox: "asyncio.Queue[Message | Exception]") -> None:
    """Hand on what arrives, and return when the client has left.

    An error of ``receive``, such as a body over the limit, is raised where the body is read.
    """
    try:
        while (message := await receive())["type"] != "http.disconnect":
            await inbox.put(message)
    except Exception as error:
        await inbox.put(error)
        await asyncio.Event().wait()
