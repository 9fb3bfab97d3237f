"""Answers kept under the keys that clients gave their requests, so that a request is served once.

A key is taken by the first request that brings it. Others with the same key wait for nothing: they get the
stored answer, or are told that the first one is still being served, or that theirs is another request.
"""

import asyncio
import base64
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from lumen.errors import ConflictException, StorageException, UnprocessableException
from orchestrator.store.files import remove, write_text

log = logging.getLogger("lumen")

SUFFIX: Final = ".json"


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AnswerStore(Protocol):
    """Keeps answers for a time; ``name`` stands for a key of one owner, ``request`` for all of a request."""

    async def take(self, name: str, request: str) -> Answer | None:
        """Take a key, or return what was answered to the same request.

        Raises:
            ConflictException: the request is being served.
            UnprocessableException: the key is another request's.
        """
        ...

    async def keep_taken(self, name: str, request: str) -> None:
        """Say that the request is still being served; called every `BEAT_SECONDS`."""
        ...

    async def keep(self, name: str, request: str, answer: Answer) -> None:
        """Keep the answer of a key that was taken."""
        ...

    async def release(self, name: str) -> None:
        """Let a key go that was taken: the next request with it is served."""
        ...

    async def close(self) -> None: ...


BEAT_SECONDS: Final = 20.0


def check_request(known: str, request: str) -> None:
    """Raises:
    UnprocessableException: a key's request is another one.
    """
    if known != request:
        raise UnprocessableException(
            "The Idempotency-Key came with another request before; send a new key with a new request."
        )


def still_served() -> ConflictException:
    return ConflictException(
        "The request with this Idempotency-Key is still being served; send it again when it may be done."
    )


def packed(request: str, answer: Answer) -> dict[str, Any]:
    """An answer and its request as JSON."""
    body = base64.b64encode(answer.body).decode()
    return {"request": request, "status": answer.status, "headers": dict(answer.headers), "body": body}


def unpacked(record: Mapping[str, Any]) -> Answer:
    """The answer in a record of `packed`."""
    return Answer(record["status"], record["headers"], base64.b64decode(record["body"]))


class FolderAnswers:
    """Keeps answers as files; which keys are taken is known to this process alone.

    Args:
        folder: made when the first answer comes.
        seconds: for which an answer is kept.
        most: answers that are kept; the oldest ones give way.
    """

    def __init__(self, folder: Path, seconds: float, most: int) -> None:
        self._folder = folder
        self._seconds = seconds
        self._most = most
        self._taken: dict[str, str] = {}
        self._kept: OrderedDict[Path, float] | None = None

    async def take(self, name: str, request: str) -> Answer | None:
        if name in self._taken:
            check_request(self._taken[name], request)
            raise still_served()
        self._taken[name] = request
        try:
            record = await asyncio.to_thread(self._read, name)
            if record is None:
                return None
            check_request(record["request"], request)
        except BaseException:
            del self._taken[name]
            raise
        del self._taken[name]
        return unpacked(record)

    async def keep_taken(self, name: str, request: str) -> None:
        pass

    async def keep(self, name: str, request: str, answer: Answer) -> None:
        try:
            await asyncio.to_thread(self._write, name, json.dumps(packed(request, answer)))
        except StorageException as error:
            log.warning("An answer is not kept for its Idempotency-Key: %s", error.message)
        finally:
            self._taken.pop(name, None)

    async def release(self, name: str) -> None:
        self._taken.pop(name, None)

    async def close(self) -> None:
        pass

    def _read(self, name: str) -> Mapping[str, Any] | None:
        path = self._path(name)
        if self._index().get(path, 0.0) < time.time():
            return None
        try:
            return dict(json.loads(path.read_bytes()))
        except (OSError, ValueError):
            return None

    def _write(self, name: str, text: str) -> None:
        path, index = self._path(name), self._index()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageException(f"{self._folder} cannot be made ({error.strerror}).") from error
        write_text(path, text)
        index[path] = time.time() + self._seconds
        index.move_to_end(path)
        while index and (len(index) > self._most or next(iter(index.values())) < time.time()):
            remove(index.popitem(last=False)[0])

    def _index(self) -> "OrderedDict[Path, float]":
        """When the answers expire, the oldest first; read from the folder at the first use."""
        if self._kept is None:
            found = [(path.stat().st_mtime, path) for path in self._folder.glob(f"*{SUFFIX}")]
            self._kept = OrderedDict((path, made + self._seconds) for made, path in sorted(found))
        return self._kept

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}{SUFFIX}"
