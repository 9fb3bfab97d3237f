"""Requests that are served once, however often they come: those with an ``Idempotency-Key``.

The draft of the header asks for a quoted string; bare ones are sent too, and taken.
"""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumen.aio import cancel
from lumen.errors import ConflictException, InvalidInputException, LumenException
from lumen.settings import Settings
from orchestrator.messages import excerpt
from orchestrator.request_context import client, owner
from orchestrator.store.answers import BEAT_SECONDS, Answer, AnswerStore, FolderAnswers

log = logging.getLogger("lumen")

KEY_HEADER: Final = "Idempotency-Key"

REPLAYED_HEADER: Final = "Idempotency-Replayed"
"""Header of an answer that was given before."""

KEY: Final = re.compile(r'"([\x20-\x7e]{1,255})"|([\x21\x23-\x7e][\x21-\x7e]{0,254})')

MAKING: Final = ("/api/generate/", "/api/voices", "/api/avatars", "/v1/videos", "/v1/audio/")
"""Beginnings of the paths whose POST makes something."""

MOST_BYTES: Final = 2**20
"""Bytes of an answer that is kept: one that is longer, or streamed, is not."""

HOUR_SECONDS: Final = 3600.0


def make_answers(settings: Settings) -> AnswerStore:
    """Make the store of answers: in the Redis of the jobs, or in files."""
    seconds, most = settings.idempotency_hours * HOUR_SECONDS, settings.max_idempotency_keys
    if settings.jobs_storage:
        from orchestrator.store.redis_answers import RedisAnswers  # only who uses Redis loads its client

        return RedisAnswers(settings.jobs_storage, seconds, most)
    return FolderAnswers(settings.jobs_path / "answers", seconds, most)


class IdempotencyMiddleware:
    """Answers a request whose key came before with what was answered then.

    Only what succeeded is kept: after an error the same key is served anew.

    Args:
        is_there: whether the output, or the job, of this id is there.
    """

    def __init__(
        self, app: ASGIApp, answers: AnswerStore, is_there: Callable[[str], Awaitable[bool]]
    ) -> None:
        self._app = app
        self._answers = answers
        self._is_there = is_there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        body = await _whole_body(receive)
        if body is None:
            return  # the client has left
        name = f"{owner.get() or client.get()}:{key}"
        request = await asyncio.to_thread(_fingerprint, scope, body)
        known = await self._answers.take(name, request)
        if known is None:
            await self._serve(scope, _Replay(body, receive), send, name, request)
        else:
            await self._check(known)
            log.info("The answer to this Idempotency-Key was given before")
            headers = {**known.headers, REPLAYED_HEADER: "true"}
            await Response(known.body, known.status, headers)(scope, receive, send)

    async def _check(self, answer: Answer) -> None:
        """Raises:
        ConflictException: the output, or the job, that the answer tells of is gone.
        """
        output = await asyncio.to_thread(_output_of, answer)  # up to `MOST_BYTES` of JSON
        if output is not None and not await self._is_there(output):
            raise ConflictException(
                f"The output {output} that the request with this Idempotency-Key made is not there any more; "
                "send a new key to have it made again."
            )

    async def _serve(self, scope: Scope, receive: Receive, send: Send, name: str, request: str) -> None:
        recorder, beat = _Recorder(send), asyncio.create_task(self._beat(name, request))
        try:
            await self._app(scope, receive, recorder)
        finally:
            await cancel(beat)
            await asyncio.shield(self._let_go(name, request, recorder.answer()))
        await recorder.send_held()

    async def _beat(self, name: str, request: str) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._answers.keep_taken(name, request)
            except LumenException as error:
                log.warning("An Idempotency-Key may be forgotten: %s", error.message)

    async def _let_go(self, name: str, request: str, answer: Answer | None) -> None:
        try:
            if answer is None:
                await self._answers.release(name)
            else:
                await self._answers.keep(name, request, answer)
        except LumenException as error:
            log.warning("An answer is not kept for its Idempotency-Key: %s", error.message)


class _Replay:
    """Gives a body that was read to whoever reads it next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Recorder:
    """Holds an answer until it is kept, and of one that is not kept its end until its key is free.

    So a client that has its answer finds the key in its last state.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []
        self._kept = False

    async def __call__(self, message: Message) -> None:
        self._kept = self._kept or _is_kept(message)
        if self._kept or _is_last(message):
            self._held.append(message)
        else:
            await self._send(message)

    def answer(self) -> Answer | None:
        """The answer, where it is one to be kept, and whole."""
        if not self._kept or not _is_last(self._held[-1]):
            return None
        start, *parts = self._held
        headers = Headers(raw=start["headers"]).items()
        kept = {name: value for name, value in headers if name != "content-length"}
        return Answer(start["status"], kept, b"".join(part.get("body", b"") for part in parts))

    async def send_held(self) -> None:
        """Send what was held."""
        for message in self._held:
            await self._send(message)


def _is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)


def _is_kept(message: Message) -> bool:
    """Whether this begins an answer that is kept: a success, and short."""
    if message["type"] != "http.response.start":
        return False
    length = Headers(raw=message.get("headers", [])).get("content-length", "")
    succeeded = HTTPStatus.OK <= message["status"] < HTTPStatus.MULTIPLE_CHOICES
    return succeeded and length.isdecimal() and int(length) <= MOST_BYTES


def _output_of(answer: Answer) -> str | None:
    """Id of the output, or of the job, that an answer tells of; None where it tells of none."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return None
    told = json.loads(answer.body)
    if not isinstance(told, dict):
        return None
    return told.get("id") if answer.status == HTTPStatus.ACCEPTED else told.get("output_id")


def _key(scope: Scope) -> str | None:
    """The key of a request that makes something.

    Raises:
        InvalidInputException: it is malformed.
    """
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(MAKING):
        return None
    text = Headers(scope=scope).get(KEY_HEADER)
    if text is None:
        return None
    match = KEY.fullmatch(text.strip())
    if match is None:
        raise InvalidInputException(
            f"{KEY_HEADER} is {excerpt(text)!r}; expected 1 to 255 signs of ASCII, such as a UUID."
        )
    return match[1] or match[2]


async def _whole_body(receive: Receive) -> bytes | None:
    """The body, whose size and time are bounded further out; None where the client leaves."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _fingerprint(scope: Scope, body: bytes) -> str:
    """Hash all that a request asks for; a form's boundary, new with each sending, is left out."""
    headers = Headers(scope=scope)
    kind, parameters = parse_options_header(headers.get("content-type", ""))
    boundary = parameters.get(b"boundary", b"")
    if boundary:
        body = body.replace(boundary, b"")
    digest = hashlib.sha256()
    asked = (scope["path"].encode(), scope["query_string"], kind, headers.get("prefer", "").encode(), body)
    for part in asked:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
