"""Two APIs with disks of their own and one bucket, as their clients see them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from orchestrator.jobs import runner
from orchestrator.store import retention
from tests.support.api_server import Api, assert_error
from tests.support.job_tools import HeldModels, job_api, until_ended
from tests.support.redis_server import RedisServer
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_until

FULL, TTS, VIDEO, OUTPUTS = "/api/generate/full", "/api/generate/tts", "/api/generate/video", "/api/outputs"
PROMPT = {"prompt": "Hello there."}


@pytest.fixture
def apis(
    s3: S3Server,
    redis: RedisServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Api, Api]]:
    monkeypatch.setattr(retention, "SYNC_SECONDS", 0.2)
    shared = {"jobs_storage": redis.url, **s3.settings(request.node.name)}
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(job_api(tmp_path / name, HeldModels(), **shared)) for name in "ab"
        )
        yield first, second


def made(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return dict(response.json())


def path_of(api: Api, url: str) -> Path:
    return api.settings.outputs_path / urlsplit(url).path.removeprefix("/outputs/")


def is_gone(api: Api, url: str) -> bool:
    """Whether a file is not there any more. One that goes while it is sent ends without its bytes."""
    try:
        return api.client.get(url).status_code == 404
    except httpx.RemoteProtocolError:
        return False


def test_a_clip_of_the_other(apis: tuple[Api, Api]) -> None:
    """Where it was made it is a file; elsewhere its address leads to the bucket, which knows ranges."""
    here, there = apis
    body = made(here.client.post(FULL, json=PROMPT))
    for url in (body["video_url"], body["poster_url"], body["captions_url"]):
        answer = there.client.get(url)
        assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
        assert there.client.get(url, follow_redirects=True).content == here.client.get(url).content
        assert there.client.head(url, follow_redirects=True).status_code == 200
    ranged = there.client.get(body["video_url"], headers={"Range": "bytes=4-7"}, follow_redirects=True)
    assert (ranged.status_code, ranged.content) == (206, b"ftyp")
    record = made(there.client.get(f"{OUTPUTS}/{body['request_id']}"))
    assert (record["text"], record["video_url"]) == (body["text"], body["video_url"])
    wav = there.client.get(body["audio_url"])
    assert (wav.status_code, wav.content) == (200, here.client.get(body["audio_url"]).content)
    assert_error(there.client.get("/outputs/video/none.mp4"), 404, "NotFoundException")
    assert_error(there.client.get(f"/outputs/.records/{body['request_id']}.json"), 404, "NotFoundException")
    assert there.client.delete(f"{OUTPUTS}/{body['request_id']}").status_code == 204
    wait_until(lambda: is_gone(here, body["video_url"]))
    wait_until(lambda: here.files() == [] and there.files() == [])


def test_sound_of_the_other(apis: tuple[Api, Api]) -> None:
    """A video is made of speech that the other API made, as it was kept and as a WAV."""
    here, there = apis
    for options in ({}, {"audio_format": "wav"}):
        speech = made(here.client.post(TTS, json={"text": "Hello there.", **options}))
        clip = made(there.client.post(VIDEO, json={"audio_url": speech["audio_url"]}))
        assert clip["audio_seconds"] >= speech["audio_seconds"]


def test_a_job_of_the_other(apis: tuple[Api, Api]) -> None:
    """A video of a job is found and fetched at both APIs, whichever made it."""
    video = apis[0].client.post("/v1/videos", json=PROMPT).json()["id"]
    assert until_ended(apis[1], video)["status"] == "completed"
    contents = {api.client.get(f"/v1/videos/{video}/content", follow_redirects=True).content for api in apis}
    assert len(contents) == 1
    assert {api.client.get(f"/v1/videos/{video}/content").status_code for api in apis} == {200, 302}


def test_the_bucket_is_away(s3: S3Server, apis: tuple[Api, Api], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits is told to come again, a job waits and finishes, and nothing is left that nobody knows of."""
    here, there = apis
    monkeypatch.setattr(runner, "PAUSES", (0.1,))
    with s3.away():
        refused = here.client.post(FULL, json=PROMPT)
        assert_error(refused, 503, "ServiceUnavailableException", "OBJECTS_URL")
        assert refused.headers["retry-after"]
        assert_error(there.client.get(f"{OUTPUTS}/none"), 503, "ServiceUnavailableException")
        video = here.client.post("/v1/videos", json=PROMPT).json()["id"]
        wait_until(lambda: here.client.get(f"/v1/videos/{video}").json()["attempts"] > 1, 30)
    done = until_ended(here, video)
    assert done["status"] == "completed"
    assert there.client.get(done["result"]["video_url"], follow_redirects=True).content[4:8] == b"ftyp"


def test_keys_hold_before_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    """An address in the bucket is given to those alone who may read the file."""
    shared = {**s3.settings("keys"), "require_keys": "on", "keys_path": tmp_path / "keys.json"}
    with job_api(tmp_path, HeldModels(), **shared) as api:
        assert_error(api.client.get("/outputs/video/any.mp4"), 401, "UnauthorizedException")
