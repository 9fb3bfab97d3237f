"""A client of the REST API, as the command line uses it."""

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx
from pydantic import SecretStr

from lumen import registry
from lumen.errors import GenerationException, ServiceUnavailableException

CONNECT_SECONDS: Final = 5.0

STALLED_SECONDS: Final = 600.0
"""Without a new sound or frame of a clip; a frame may take half a minute on a CPU that many share."""

FIRST_POLL_SECONDS: Final = 1.0
POLL_SECONDS: Final = 10.0
POLL_GROWTH: Final = 1.5
"""Interval of asking after a clip: short at first, later so long that no rate limit is touched."""

PROGRESS_HEADER: Final = "X-Progress-Key"
"""Carries a key of the client's own, to ask for the progress of its clip by."""

FILES_AND_OPTIONS: Final = ("audio", "controls", "sampling")
"""Attributes of a clip that are no field of the same name."""


@dataclass(frozen=True)
class Clip:
    """Request to ``POST /api/generate/full`` or, without a ``prompt``, ``POST /api/generate/video``.

    ``None`` leaves a field to the server's default. ``portrait`` is the name of a bundled portrait or the
    path of an image file; ``audio`` is a file. What the face or the voice cannot do is refused by the API.

    Attributes:
        controls: options of the face by name; a path stands for an upload.
        sampling: options of the voice by name.
    """

    prompt: str | None = None
    audio: Path | None = None
    idle_seconds: float | None = None
    language: str | None = None
    voice: str | None = None
    speed: float | None = None
    portrait: str | None = None
    size: int | None = None
    seed: int | None = None
    avatar: str | None = None
    controls: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return "/api/generate/video" if self.prompt is None else "/api/generate/full"

    def fields(self) -> dict[str, Any]:
        """The body without its files."""
        own = {
            each.name: getattr(self, each.name) for each in fields(self) if each.name not in FILES_AND_OPTIONS
        }
        controls = {name: value for name, value in self.controls.items() if not isinstance(value, Path)}
        given = {**own, **controls, "sampling": dict(self.sampling) or None}
        return {name: value for name, value in given.items() if value is not None}

    def files(self) -> dict[str, Path]:
        """Uploaded files by the form's field; a portrait that is no file is a bundled one's name."""
        portrait = Path(self.portrait) if self.portrait else None
        paths = {"portrait_file": portrait if portrait and portrait.is_file() else None, "audio": self.audio}
        uploads = registry.options_by_name(registry.faces())
        for name, value in self.controls.items():
            if isinstance(value, Path):
                paths[next(iter(uploads[name].values())).upload or name] = value
        return {name: path for name, path in paths.items() if path is not None}


@dataclass(frozen=True)
class Progress:
    """Progress of a clip: speech made so far, and frames of the face drawn so far."""

    audio_seconds: float
    frames: int


class LumenClient:
    """Talks to a running API at ``url``; an async context manager.

    Args:
        url: e.g. ``http://127.0.0.1:8000``.
        timeout: seconds without progress of a clip after which it is given up.
        key: for an API that asks for one.
    """

    def __init__(self, url: str, timeout: float = STALLED_SECONDS, key: SecretStr | None = None) -> None:
        self.url = url
        self._timeout = timeout
        # A proxy of the environment leads to the world, not to one's own machine or network.
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={} if key is None else {"X-API-Key": key.get_secret_value()},
            timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
            trust_env=False,
        )

    async def __aenter__(self) -> "LumenClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def is_lumen(self) -> bool:
        """Whether a LUMEN API answers at the address; something else may."""
        try:
            answer = await self._http.get("/api/status", timeout=CONNECT_SECONDS)
        except httpx.HTTPError:
            return False
        body = _object(answer)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # one that asks for a key
            return {"error", "message", "request_id"} <= body.keys()
        return answer.status_code == httpx.codes.OK and "parts" in body

    async def make(self, clip: Clip, on_progress: Callable[[Progress], None] | None = None) -> dict[str, Any]:
        """Makes a clip, however long it takes, and returns the response's body.

        Raises:
            ServiceUnavailableException: nothing answers at the address, or the clip does not get on.
            GenerationException: the API refused or failed; the message is the API's.
        """
        try:
            answer = await self._watched(clip, on_progress or (lambda _: None))
        except httpx.HTTPError as error:
            raise ServiceUnavailableException(f"the API at {self.url} does not answer: {error}") from error
        body = _object(answer)
        if answer.is_success and body:
            return body
        if {"error", "message", "request_id"} <= body.keys():
            raise GenerationException(f"{body['error']}: {body['message']} (request {body['request_id']})")
        raise GenerationException(f"{self.url} answered {answer.status_code}, and not as LUMEN's API does")

    async def _watched(self, clip: Clip, on_progress: Callable[[Progress], None]) -> httpx.Response:
        key = str(uuid.uuid4())
        posting = asyncio.create_task(self._post(clip, key))
        watching = asyncio.create_task(self._watch(key, on_progress))
        try:
            await asyncio.wait([posting, watching], return_when=asyncio.FIRST_COMPLETED)
            if not posting.done():
                await watching
            return await posting
        finally:
            posting.cancel()
            watching.cancel()
            await asyncio.gather(posting, watching, return_exceptions=True)

    async def _watch(self, key: str, on_progress: Callable[[Progress], None]) -> None:
        """Ends only by raising: the clip does not get on."""
        clock = asyncio.get_running_loop().time
        last, since, pause = None, clock(), min(FIRST_POLL_SECONDS, self._timeout / 4)
        while clock() - since < self._timeout:
            await asyncio.sleep(pause)
            pause = min(pause * POLL_GROWTH, POLL_SECONDS, self._timeout / 4)
            found = await self._progress(key)
            if found is not None and found != last:
                last, since = found, clock()
                on_progress(found)
        raise ServiceUnavailableException(
            f"the API at {self.url} has made no new sound or frame for {self._timeout:g} s: see its log"
        )

    async def _progress(self, key: str) -> Progress | None:
        """None where it is not known."""
        try:
            answer = await self._http.get(f"/api/generate/progress/{key}", timeout=CONNECT_SECONDS)
        except httpx.HTTPError:
            return None
        body = _object(answer)
        if not answer.is_success or not {"audio_seconds", "frames"} <= body.keys():
            return None
        return Progress(body["audio_seconds"], body["frames"])

    async def _post(self, clip: Clip, key: str) -> httpx.Response:
        fields, paths = clip.fields(), clip.files()
        # No limit to the answer: the clip is watched instead.
        timeout = httpx.Timeout(self._timeout, connect=CONNECT_SECONDS, read=None)
        ask = partial(self._http.post, clip.endpoint, headers={PROGRESS_HEADER: key}, timeout=timeout)
        if not paths:
            return await ask(json=fields)
        if "portrait_file" in paths:
            del fields["portrait"]
        fields = {
            name: json.dumps(v) if isinstance(v, list | dict | bool) else v for name, v in fields.items()
        }
        files = {name: (path.name, path.read_bytes()) for name, path in paths.items()}
        return await ask(data=fields, files=files)

    async def download(self, path: str, to: Path) -> None:
        """Streams ``path`` (e.g. ``/outputs/video/….mp4``) into the file ``to``, whole or not at all.

        Raises:
            ServiceUnavailableException: it is not there, or the connection broke.
            OSError: ``to`` cannot be written.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f".{to.name}.part")
        try:
            await self._fetch(path, part)
            part.replace(to)
        except httpx.HTTPError as error:
            raise ServiceUnavailableException(f"{self.url}{path} cannot be fetched: {error}") from error
        finally:
            part.unlink(missing_ok=True)

    async def _fetch(self, path: str, part: Path) -> None:
        async with self._http.stream("GET", path, follow_redirects=True) as answer:
            answer.raise_for_status()
            with part.open("wb") as file:
                async for block in answer.aiter_bytes():
                    file.write(block)


def _object(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty when it holds none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
