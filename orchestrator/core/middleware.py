"""Middleware of every request, outermost first.

Identity and log, form, CORS, errors, access, rate, size, disconnect.
All are plain ASGI: nothing is buffered, and a cancelled request is cancelled to its core.
"""

import asyncio
import logging
import time
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
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
from orchestrator.core.rate_limit import RateLimiter
from orchestrator.core.uniform import UniformMiddleware
from orchestrator.messages import excerpt
from orchestrator.request_context import client, new_request_id, owner, rate, request_id, response_headers
from orchestrator.store.outputs import URL_PREFIX

log = logging.getLogger("lumen")

REQUEST_ID_HEADER: Final = "X-Request-ID"

SAMPLE_RATE_HEADER: Final = "X-Sample-Rate"
SEED_HEADER: Final = "X-Seed"
VOICE_PART_HEADER: Final = "X-Voice-Part"
VIDEO_URL_HEADER: Final = "X-Video-Url"
"""Header of a streamed answer, for what others tell in their JSON."""

API_PREFIX: Final = "/api/"
"""Paths that the rate limit counts. Files under /outputs, health checks and the docs are free."""

FREE_PATHS: Final = ("/api/status", "/api/generate/progress/")
"""Exceptions from these that are free too: clients ask often, and little is done for it."""

WORK_PREFIXES: Final = ("/api/generate/", "/api/voices", "/api/avatars")
"""Paths whose work stops when the client leaves."""

CLIENT_CLOSED: Final = 499
"""Status in the log of a request whose client left: no status was sent."""


def add_middleware(app: FastAPI, settings: Settings, limiter: RateLimiter, access: Middleware) -> None:
    """Wrap ``app``; the last one added is the outermost.

    Args:
        access: decides who may do what.
    """
    app.add_middleware(DisconnectMiddleware)
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
            "Retry-After",
            "RateLimit",
            "RateLimit-Policy",
            "Content-Range",
            "ETag",
        ],
    )
    app.add_middleware(UniformMiddleware, own_head=(URL_PREFIX,))
    app.add_middleware(RequestLogMiddleware)


class RequestLogMiddleware:
    """Gives every request its id, in the log and in the response, and logs how it ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tokens = request_id.set(new_request_id()), client.set(client_of(scope)), response_headers.set({})
        try:
            await self._serve(scope, receive, send)
        finally:
            request_id.reset(tokens[0])
            client.reset(tokens[1])
            response_headers.reset(tokens[2])

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            seconds = time.perf_counter() - start
            what = excerpt(scope["method"]), excerpt(scope["path"])
            log.info("%s %s - %d - %.3f s - %s", *what, status, seconds, client.get())


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
                await _response_to(error)(scope, receive, send)
            elif isinstance(error, asyncio.CancelledError):
                log.warning("The server stops; the response breaks off")
            else:
                raise


def _response_to(error: Exception | asyncio.CancelledError) -> Response:
    if isinstance(error, asyncio.CancelledError):
        error = ServiceUnavailableException("The server stops; ask again when it is back.")
    return error_response(error) if isinstance(error, LumenException) else unhandled(error)


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
    return path.startswith(API_PREFIX) and not path.startswith(FREE_PATHS)


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
