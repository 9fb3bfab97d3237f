"""Ways to ask an operator's moderation: a service by HTTP, or a function of Python."""

import asyncio
import base64
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import httpx

from lumen.errors import InvalidInputException
from orchestrator.request_context import owner, request_id

Kind = Literal["text", "picture", "name"]

REASON_CHARACTERS: Final = 300
"""Characters of a reason that callers are told."""

ANSWER_BYTES: Final = 65_536
"""Bytes of a service's answer that are read."""


@dataclass(frozen=True)
class Subject:
    """Thing that is to be checked.

    Attributes:
        where: it came from, such as prompt, text, reply, portrait_file, name.
        text: of a text or a name. picture: bytes of a picture's file.
    """

    kind: Kind
    where: str
    text: str = ""
    picture: bytes = b""


class Moderator(Protocol):
    """Asks somebody about a subject."""

    async def ask(self, subject: Subject) -> str | None:
        """The reason why it is refused; None where it is allowed. Any exception means: not known."""
        ...

    async def close(self) -> None: ...


class HttpModerator:
    """Posts a subject to a service as JSON: ``kind``, ``where``, ``text`` or ``picture`` (Base64), and whose.

    The service answers 200 with ``{"allowed": true}`` or ``{"allowed": false, "reason": "..."}``.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def ask(self, subject: Subject) -> str | None:
        content = (
            {"picture": base64.b64encode(subject.picture).decode()}
            if subject.kind == "picture"
            else {"text": subject.text}
        )
        whose = {"request_id": request_id.get(), "owner": owner.get()}
        body = {"kind": subject.kind, "where": subject.where, **content, **whose}
        async with self._client.stream("POST", self._url, json=body) as response:
            response.raise_for_status()
            answer = await _json(response)
        if answer.get("allowed") is True:
            return None
        if answer.get("allowed") is not False:
            raise ValueError('the answer has no "allowed" that is true or false')
        return str(answer.get("reason") or "")[:REASON_CHARACTERS]

    async def close(self) -> None:
        await self._client.aclose()


class FunctionModerator:
    """Calls a function ``check(subject)`` that returns None or the reason of a refusal; it may be async.

    Raises:
        InvalidInputException: there is no such function.
    """

    def __init__(self, place: str) -> None:
        module, _, name = place.partition(":")
        try:
            self._check: Callable[[Subject], Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise InvalidInputException(
                f"MODERATION is {place!r}, which cannot be imported ({error}); expected module:function."
            ) from error

    async def ask(self, subject: Subject) -> str | None:
        answer = (
            self._check(subject)
            if inspect.iscoroutinefunction(self._check)
            else asyncio.to_thread(self._check, subject)
        )
        reason = await answer
        return None if reason is None else str(reason)[:REASON_CHARACTERS]

    async def close(self) -> None:
        return None


async def _json(response: httpx.Response) -> dict[str, Any]:
    """Read a bounded answer.

    Raises:
        ValueError: it is too long, or no object.
    """
    data = b""
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > ANSWER_BYTES:
            raise ValueError(f"the answer has over {ANSWER_BYTES} bytes")
    answer = httpx.Response(200, content=data).json()
    if not isinstance(answer, dict):
        raise ValueError("the answer is no JSON object")
    return answer
