"""``POST /api/generate/full`` and ``/video`` with ``stream``: the MP4 while it is made."""

import io
import struct

import av
import httpx
import pytest

from tests.support.api_server import Api, assert_error
from tests.support.waiting import wait_until

FULL = "/api/generate/full"
VIDEO = "/api/generate/video"


def boxes(data: bytes) -> list[str]:
    """Names of the top boxes of an MP4."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append(name.decode())
        at += size
    assert at == len(data)
    return found


def length(data: bytes) -> float:
    """Seconds of the picture, decoded."""
    with av.open(io.BytesIO(data)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        return sum(1 for _ in container.decode(video=0)) / 25


@pytest.mark.parametrize(
    ("path", "fields"),
    [(FULL, {"prompt": "one two three four five"}), (VIDEO, {"idle_seconds": 1.0})],
)
def test_the_video_streams_and_its_file_stays(api: Api, path: str, fields: dict[str, object]) -> None:
    """Fragments of whole boxes, and under the header's address the finished file of the same length."""
    response = api.client.post(path, json={**fields, "stream": True, "seed": 3})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["x-seed"] == "3"
    names = boxes(response.content)
    assert names[:2] == ["ftyp", "moov"]
    assert names.count("moof") >= 5
    kept = api.client.get(response.headers["x-video-url"]).content
    assert "moof" not in boxes(kept)
    assert length(response.content) == length(kept) == pytest.approx(1.0)
    assert api.services.pipeline.active_clips == 0


def test_the_beginning_comes_before_the_end(api: Api) -> None:
    """The first fragment is there while the voice still waits; who leaves then leaves no file."""
    before = api.files()
    body = {"prompt": "one two three. WAIT", "stream": True}
    with httpx.stream("POST", api.url + FULL, json=body, timeout=20) as response:
        first = next(response.iter_raw())
        assert boxes(first)[:3] == ["ftyp", "moov", "moof"]
        assert api.services.pipeline.active_clips == 1
    wait_until(lambda: api.services.pipeline.active_clips == 0)
    wait_until(lambda: api.files() == before)


def test_what_is_refused_is_refused_before_the_first_byte(api: Api) -> None:
    """A stream that cannot begin is an error as any other."""
    assert_error(
        api.client.post(FULL, json={"prompt": "!!!", "stream": True}),
        400,
        "InvalidInputException",
        "nothing that can be spoken",
    )
