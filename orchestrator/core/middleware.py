"""What every request passes, outermost first: identity and log, CORS, errors, rate, size, disconnect.

All are plain ASGI: nothing is buffered, and a cancelled request is cancelled to its core.
"""

import asyncio
import logging
import time
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumen.aio import cancel, with_timeout
from lumen.errors import (
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    TooLargeException,
    TooSlowException,
)
from lumen.settings import Settings
from orchestrator.core.exceptions import error_response, unhandled
from orchestrator.core.rate_limit import RateLimiter
from orchestrator.messages import excerpt
from orchestrator.request_context import new_request_id, request_id

log = logging.getLogger("lumen")

REQUEST_ID_HEADER: Final = "X-Request-ID"

SAMPLE_RATE_HEADER: Final = "X-Sample-Rate"
SEED_HEADER: Final = "X-Seed"
VOICE_PART_HEADER: Final = "X-Voice-Part"
VIDEO_URL_HEADER: Final = "X-Video-Url"
"""What a streamed answer tells that others tell in their JSON."""

API_PREFIX: Final = "/api/"
"""Paths that the rate limit counts. Files under /outputs, health checks and the docs are free."""

WORK_PREFIXES: Final = ("/api/generate/", "/api/voices", "/api/avatars")
"""Paths whose work stops when the client leaves."""

BODY_SECONDS: Final = 120.0
"""How long a request's body may take to arrive: the largest one comes in time at 2 Mbit/s."""

CLIENT_CLOSED: Final = 499
"""What the log says of a request whose client left: no status was sent."""


def add_middleware(app: FastAPI, settings: Settings, limiter: RateLimiter) -> None:
    """Wrap ``app``; the last one added is the outermost."""
    app.add_middleware(DisconnectMiddleware)
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes)
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
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
        ],
    )
    app.add_middleware(RequestLogMiddleware)


class RequestLogMiddleware:
    """Gives every request its id, in the log and in the response, and logs how it ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = request_id.set(new_request_id())
        try:
            await self._serve(scope, receive, send)
        finally:
            request_id.reset(token)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, status = time.perf_counter(), CLIENT_CLOSED

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id.get()
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - start
            path = excerpt(scope["path"])
            log.info("%s %s - %d - %.3f s - %s", scope["method"], path, status, seconds, _client(scope))


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
    """Refuses a client address that asks too often."""

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API_PREFIX):
            await self._limiter.hit(_client(scope))
        await self._app(scope, receive, send)


class BodyLimitMiddleware:
    """Refuses a body over ``max_bytes``: by its Content-Length, or while it streams in.

    One that is not there after ``max_seconds`` is refused too.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max = max_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._check(_content_length(scope))
        received, complete = 0, False
        deadline = asyncio.get_running_loop().time() + self._max_seconds

        async def counted_receive() -> Message:
            nonlocal received, complete
            message = await (receive() if complete else self._by(deadline, receive))
            complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            self._check(received)
            return message

        await self._app(scope, counted_receive, send)

    async def _by(self, deadline: float, receive: Receive) -> Message:
        try:
            return await with_timeout(deadline - asyncio.get_running_loop().time(), receive())
        except TimeoutError:
            raise TooSlowException(
                f"The body was not there after {self._max_seconds:g} s; send less, or over a faster line."
            ) from None

    def _check(self, n_bytes: int) -> None:
        if n_bytes > self._max:
            raise TooLargeException(f"The body has over {self._max} bytes; send at most that much.")


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


def _content_length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    if not text.isdecimal():
        raise InvalidInputException(f"Content-Length is {excerpt(text)!r}; expected a number.")
    return int(text)


def _client(scope: Scope) -> str:
    """The client's address; behind a proxy, uvicorn fills in the forwarded one."""
    return str(scope["client"][0]) if scope.get("client") else "unknown"
