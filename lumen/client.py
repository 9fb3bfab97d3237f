"""A client of the REST API, as the command line uses it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from lumen.errors import GenerationException, ServiceUnavailableException

CONNECT_SECONDS = 5.0

UPLOADS = ("ref_eyeblink", "ref_pose")
"""Driving videos, which go along as files."""


@dataclass(frozen=True)
class Clip:
    """What ``POST /api/generate/full`` takes; ``None`` leaves a field to the server's default.

    ``portrait`` is the name of a bundled portrait or the path of an image file; ``ref_eyeblink`` and
    ``ref_pose`` are video files. What the face has no control for is refused by the API.
    """

    prompt: str
    language: str | None = None
    voice: str | None = None
    speed: float | None = None
    portrait: str | None = None
    size: int | None = None
    seed: int | None = None
    avatar: str | None = None
    preprocess: str | None = None
    still: bool | None = None
    pose_style: int | None = None
    expression_scale: float | None = None
    head_motion_scale: float | None = None
    blink: float | None = None
    input_yaw: list[float] | None = None
    input_pitch: list[float] | None = None
    input_roll: list[float] | None = None
    ref_eyeblink: Path | None = None
    ref_pose: Path | None = None
    enhancer: str | None = None

    def fields(self) -> dict[str, Any]:
        given = asdict(self).items()
        return {name: value for name, value in given if value is not None and name not in UPLOADS}

    def files(self) -> dict[str, Path]:
        """What is uploaded, by the form's field; a portrait that is no file is a bundled one's name."""
        portrait = Path(self.portrait) if self.portrait else None
        paths = {"portrait": portrait if portrait and portrait.is_file() else None}
        paths |= {name: getattr(self, name) for name in UPLOADS}
        return {f"{name}_file": path for name, path in paths.items() if path is not None}


class LumenClient:
    """Talks to a running API at ``url``; an async context manager.

    Args:
        url: e.g. ``http://127.0.0.1:8000``.
        timeout: seconds that one clip may take.
    """

    def __init__(self, url: str, timeout: float = 600.0) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS))

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
        return answer.status_code == httpx.codes.OK and "parts" in _object(answer)

    async def make(self, clip: Clip) -> dict[str, Any]:
        """Makes a clip and returns the response's body.

        Raises:
            ServiceUnavailableException: nothing answers at the address.
            GenerationException: the API refused or failed; the message is the API's.
        """
        try:
            answer = await self._post_full(clip)
        except httpx.HTTPError as error:
            raise ServiceUnavailableException(f"the API at {self.url} does not answer: {error}") from error
        body = _object(answer)
        if answer.is_success and body:
            return body
        if {"error", "message", "request_id"} <= body.keys():
            raise GenerationException(f"{body['error']}: {body['message']} (request {body['request_id']})")
        raise GenerationException(f"{self.url} answered {answer.status_code}, and not as LUMEN's API does")

    async def _post_full(self, clip: Clip) -> httpx.Response:
        fields, paths = clip.fields(), clip.files()
        if not paths:
            return await self._http.post("/api/generate/full", json=fields)
        if "portrait_file" in paths:
            del fields["portrait"]
        fields = {name: json.dumps(v) if isinstance(v, list | bool) else v for name, v in fields.items()}
        files = {name: (path.name, path.read_bytes()) for name, path in paths.items()}
        return await self._http.post("/api/generate/full", data=fields, files=files)

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
        async with self._http.stream("GET", path) as answer:
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
