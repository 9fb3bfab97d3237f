"""Videos by the face SadTalker, and what its stand-ins were told."""

import io
import json
from pathlib import Path
from typing import Any

import av
import httpx
from PIL import Image

from tests.support.api_server import Api

VIDEO, AVATARS = "/api/generate/video", "/api/avatars"


def film(api: Api, **fields: Any) -> httpx.Response:
    """A video of 0.4 s in which nobody speaks, unless ``fields`` say otherwise."""
    return api.client.post(VIDEO, json={"idle_seconds": 0.4, **fields})


def film_with(api: Api, name: str, data: bytes, **fields: str) -> httpx.Response:
    """The same, with an upload."""
    return api.client.post(VIDEO, files={name: data}, data={"idle_seconds": "0.4", **fields})


def frames_of(api: Api, response: httpx.Response) -> list[Any]:
    """The frames of an answer's video, uint8 [height, width, 3]."""
    assert response.status_code == 200, response.text
    with av.open(str(api.settings.outputs_path / response.json()["video_url"][9:])) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def told(repository: Path, model: str = "sadtalker") -> list[Any]:
    """Read a stand-in's record of its requests, one by one."""
    path = repository / model / "events"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def picture(width: int, height: int, colour: tuple[int, int, int] = (200, 150, 100)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()
