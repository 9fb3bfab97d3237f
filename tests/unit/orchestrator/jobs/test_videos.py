"""``/v1/videos``: what its clients see, with parts that compute without Triton."""

import io
import json
import shutil
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import openai
import pytest
from PIL import Image

from orchestrator.jobs import runner
from orchestrator.jobs.answers import video_of
from orchestrator.jobs.job import Job
from tests.support.api_server import Api
from tests.support.job_tools import HeldModels, job_api, new_job, until_ended
from tests.support.media_files import image_bytes
from tests.support.waiting import wait_until

VIDEOS = "/v1/videos"
PROMPT = "Hello there, my friend."


@pytest.fixture(scope="module")
def models() -> HeldModels:
    return HeldModels()


@pytest.fixture(scope="module")
def served(models: HeldModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with job_api(tmp_path_factory.mktemp("jobs"), models, max_concurrent_clips=2) as api:
        yield api


@pytest.fixture
def api(served: Api, models: HeldModels) -> Iterator[Api]:
    """The API, and after each test: no job is left, nor any file of one."""
    yield served
    models.face.go.set()
    for owner in ("", "ada", "bob"):
        headers = {"X-Owner": owner}
        for video in served.client.get(VIDEOS, headers=headers, params={"limit": 100}).json()["data"]:
            if not served.client.delete(f"{VIDEOS}/{video['id']}", headers=headers).json()["deleted"]:
                served.client.delete(f"{VIDEOS}/{video['id']}", headers=headers)
    wait_until(lambda: served.files() == [] and served.services.pipeline.active_clips == 0)
    assert [path.name for path in served.settings.jobs_path.iterdir()] == [".lock"]


def create(api: Api, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    response = api.client.post(VIDEOS, json={"prompt": PROMPT, **fields}, headers=headers)
    assert response.status_code == 202, response.text
    return dict(response.json())


def read(api: Api, video: str) -> dict[str, Any]:
    return dict(api.client.get(f"{VIDEOS}/{video}").json())


def test_from_creation_to_removal(api: Api) -> None:
    """The answer comes at once; the video is what a client that waits would have got."""
    response = api.client.post(VIDEOS, json={"prompt": PROMPT, "seconds": "4", "size": "720x1280"})
    made = response.json()
    assert (response.status_code, response.headers["location"]) == (202, f"{VIDEOS}/{made['id']}")
    assert (made["object"], made["status"], made["size"], made["seconds"]) == (
        "video",
        "queued",
        "720x1280",
        "4",
    )
    assert [warning.split()[0] for warning in made["warnings"]] == ["size", "seconds"]
    done = until_ended(api, made["id"])
    assert (done["status"], done["progress"], done["size"]) == ("completed", 100, "32x32")
    assert done["expires_at"] - done["completed_at"] == 168 * 3600
    assert done["result"]["text"] == PROMPT
    assert done["result"]["video_url"] == f"/outputs/video/{made['id']}.mp4"
    assert done["result"]["request_id"] == response.headers["x-request-id"]
    assert done["result"]["output_id"] == made["id"]
    waited = api.client.post("/api/generate/full", json={"prompt": PROMPT}).json()
    assert set(waited) == set(done["result"])
    assert waited["output_id"] == waited["request_id"]
    assert api.client.delete(f"/api/outputs/{waited['output_id']}").status_code == 204
    assert api.client.get(f"/api/outputs/{made['id']}").json()["video_url"] == done["result"]["video_url"]
    assert len(api.files()) == 4
    assert api.client.delete(f"{VIDEOS}/{made['id']}").json() == {
        "id": made["id"],
        "object": "video.deleted",
        "deleted": True,
    }
    assert api.client.get(f"{VIDEOS}/{made['id']}").status_code == 404


def test_the_key_of_a_video_that_was_removed(api: Api) -> None:
    """Its request is not answered with the id of a video that is gone."""
    key = {"Idempotency-Key": "removed-video"}
    made = create(api, key)
    assert create(api, key)["id"] == made["id"]
    wait_until(lambda: api.client.delete(f"{VIDEOS}/{made['id']}").json()["deleted"])
    again = api.client.post(VIDEOS, json={"prompt": PROMPT}, headers=key)
    assert (again.status_code, made["id"] in again.text) == (409, True)
    shutil.rmtree(api.settings.jobs_path / "answers")


def test_the_result_of_an_earlier_version(api: Api) -> None:
    """A job whose result was kept without the id of its output is told with it."""
    video = until_ended(api, create(api)["id"])
    result = {name: value for name, value in video["result"].items() if name != "output_id"}
    told = video_of(earlier_job(video["id"], result), None, str).result
    assert told is not None
    assert told.output_id == video["id"]


def earlier_job(name: str, result: dict[str, Any]) -> Job:
    """A completed job with this result."""
    return new_job(name).in_state(status="completed", result=result)


@pytest.mark.parametrize("path", ["full", "tts"])
def test_a_request_with_an_id_of_its_client(api: Api, path: str) -> None:
    """The answer has the client's id, and that of what was made, which is found under it."""
    body = {"prompt": PROMPT} if path == "full" else {"text": PROMPT}
    headers = {"X-Request-ID": "0f0d2f5e-6f0e-4f3e-9d51-0a3f6d7c9b11"}
    made = api.client.post(f"/api/generate/{path}", json=body, headers=headers).json()
    assert made["request_id"] == headers["X-Request-ID"] != made["output_id"]
    assert api.client.get(f"/api/outputs/{made['output_id']}").json()["audio_url"] == made["audio_url"]
    assert api.client.delete(f"/api/outputs/{made['output_id']}").status_code == 204


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_openai_sdk(api: Api) -> None:
    """OpenAI's own client creates, polls, lists, downloads and removes, unchanged."""
    with openai.OpenAI(api_key="none", base_url=f"{api.url}/v1") as client:
        portrait = ("me.png", image_bytes(), "image/png")
        video = client.videos.create_and_poll(
            prompt=PROMPT, input_reference=portrait, seconds="4", size="1280x720", model="sora-2"
        )
        assert (video.status, video.progress, video.model) == ("completed", 100, "lumen")
        other = client.videos.create(prompt=PROMPT, extra_body={"portrait": "ada", "speed": 1.0})
        assert client.videos.poll(other.id, poll_interval_ms=50).status == "completed"
        assert client.videos.retrieve(video.id).id == video.id
        assert [each.id for each in client.videos.list(limit=1)] == [other.id, video.id]
        assert [each.id for each in client.videos.list(order="asc", after=video.id)] == [other.id]
        assert client.videos.download_content(video.id).read()[4:8] == b"ftyp"
        assert client.videos.download_content(video.id, variant="thumbnail").read()[:2] == b"\xff\xd8"
        assert client.videos.delete(video.id).deleted
        with pytest.raises(openai.NotFoundError) as missing:
            client.videos.retrieve(video.id)
        assert (missing.value.code, missing.value.type) == ("not_found", "invalid_request_error")


def test_content(api: Api) -> None:
    """Content has ranges and kinds; before a video is completed there is none."""
    made = create(api)
    until_ended(api, made["id"])
    content = f"{VIDEOS}/{made['id']}/content"
    whole = api.client.get(content)
    part = api.client.get(content, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    picture = Image.open(io.BytesIO(api.client.get(content, params={"variant": "thumbnail"}).content))
    assert f"id {made['id']}" in picture.info["comment"].decode()
    described = ElementTree.fromstring(picture.info["xmp"]).find(".//{*}Description")
    assert described is not None
    source = described.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert source == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    captions = api.client.get(content, params={"variant": "captions"})
    assert captions.headers["content-type"].startswith("text/vtt")
    assert "Hello there" in captions.text
    refused = api.client.get(content, params={"variant": "spritesheet"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "query.variant")


def test_a_waiting_request_turns_into_a_job(api: Api) -> None:
    """`background` and `Prefer: respond-async` do the same, for text and for sound."""
    full = api.client.post("/api/generate/full", json={"prompt": PROMPT, "background": True})
    prefer = {"Prefer": "respond-async, wait=5"}
    idle = api.client.post("/api/generate/video", json={"idle_seconds": 1}, headers=prefer)
    assert (full.status_code, idle.status_code) == (202, 202)
    assert idle.headers["preference-applied"] == "respond-async"
    assert until_ended(api, full.json()["id"])["result"]["text"] == PROMPT
    done = until_ended(api, idle.json()["id"])
    assert done["result"]["audio_seconds"] == 1
    assert "text" not in done["result"]
    missing = api.client.get(f"{VIDEOS}/{done['id']}/content", params={"variant": "captions"})
    assert missing.status_code == 404


def test_uploads_wait_with_their_job(api: Api, models: HeldModels) -> None:
    """A portrait is kept until its job has ended, and not longer."""
    models.face.go.clear()
    held = [create(api) for _ in range(2)]
    form = api.client.post(
        "/api/generate/full",
        data={"prompt": PROMPT},
        files={"portrait_file": image_bytes()},
        headers={"Prefer": "respond-async"},
    )
    folder = api.settings.jobs_path / form.json()["id"]
    assert [path.name for path in folder.iterdir()] == ["portrait_file-0"]
    models.face.go.set()
    assert until_ended(api, form.json()["id"])["result"]["portrait"] == "uploaded"
    wait_until(lambda: not folder.exists())
    for each in held:
        until_ended(api, each["id"])


def test_cancelling(api: Api, models: HeldModels) -> None:
    """DELETE stops what is being made: no further batch is drawn, no file is left, the reason is told."""
    models.face.go.clear()
    made, waiting = create(api), create(api)
    wait_until(lambda: read(api, made["id"])["status"] == "in_progress" and models.face.open)
    assert read(api, waiting["id"])["queue_position"] == 0
    assert api.client.delete(f"{VIDEOS}/{waiting['id']}").json()["deleted"] is True
    assert api.client.delete(f"{VIDEOS}/{made['id']}").json()["deleted"] is False
    drawn = models.face.drawn
    wait_until(lambda: not models.face.open)
    assert models.face.drawn == drawn
    done = read(api, made["id"])
    assert (done["status"], done["error"]["code"]) == ("failed", "cancelled")
    assert api.client.get(f"{VIDEOS}/{made['id']}/content").status_code == 409
    assert api.client.delete(f"{VIDEOS}/{made['id']}").json()["deleted"] is True


def events_of(response: httpx.Response) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Name, id and data of each server-sent event."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            key, _, value = line.partition(": ")
            event[key] = value
        elif event:
            yield event["event"], int(event["id"]), json.loads(event["data"])
            event = {}


def test_events(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events tell the progress, which never goes back, to the end; a client that returns misses nothing."""
    monkeypatch.setattr(runner, "TICK_SECONDS", 0.005)
    made = create(api, prompt="Hello there. " * 20)
    path = f"{VIDEOS}/{made['id']}/events"
    with api.client.stream("GET", path) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = list(events_of(response))
    assert [name for name, _, _ in events][:-1] == ["video.progress"] * (len(events) - 1)
    assert events[-1][0] == "video.completed"
    told = [data["progress"] for _, _, data in events]
    assert told == sorted(told)
    assert len(set(told)) > 3
    assert [number for _, number, _ in events] == sorted(number for _, number, _ in events)
    phases = [data["phase"] for _, _, data in events if "phase" in data]
    order = ["writing", "speaking", "drawing", "encoding"]
    assert phases == sorted(phases, key=order.index)
    assert any(data.get("remaining_seconds") for _, _, data in events)
    late = api.client.get(path, headers={"Last-Event-ID": str(events[-2][1])})
    assert [name for name, _, _ in events_of(late)] == ["video.completed"]
    assert api.client.get(path, headers={"Last-Event-ID": str(events[-1][1])}).status_code == 204
    for wrong in ("x", "-1", "9" * 5000):  # Python reads no number of so many digits
        refused = api.client.get(path, headers={"Last-Event-ID": wrong})
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_list(api: Api) -> None:
    """Lists have pages, an order and a filter."""
    ids = [create(api)["id"] for _ in range(3)]
    for each in ids:
        until_ended(api, each)
    page = api.client.get(VIDEOS, params={"limit": 2}).json()
    assert [video["id"] for video in page["data"]] == [ids[2], ids[1]]
    assert (page["has_more"], page["first_id"], page["last_id"]) == (True, ids[2], ids[1])
    rest = api.client.get(VIDEOS, params={"after": page["last_id"]}).json()
    assert ([video["id"] for video in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    oldest = api.client.get(VIDEOS, params={"order": "asc"}).json()
    assert [video["id"] for video in oldest["data"]] == ids
    assert api.client.get(VIDEOS, params={"status": "failed"}).json()["data"] == []
    assert len(api.client.get(VIDEOS, params={"status": "completed"}).json()["data"]) == 3


def test_somebody_elses(api: Api) -> None:
    """Another owner's job is not there: not to read, hear, fetch, remove or list."""
    made = create(api, headers={"X-Owner": "ada"})
    for method, path in (("GET", ""), ("GET", "/content"), ("GET", "/events"), ("DELETE", "")):
        response = api.client.request(method, f"{VIDEOS}/{made['id']}{path}", headers={"X-Owner": "bob"})
        assert response.status_code == 404, (method, path)
    assert api.client.get(VIDEOS, headers={"X-Owner": "bob"}).json()["data"] == []
    assert [each["id"] for each in api.client.get(VIDEOS, headers={"X-Owner": "ada"}).json()["data"]] == [
        made["id"]
    ]
    wait_until(
        lambda: (
            api.client.get(f"{VIDEOS}/{made['id']}", headers={"X-Owner": "ada"}).json()["status"]
            == "completed"
        )
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": " "}, "prompt"),
        ({"size": "big"}, "size"),
        ({"seconds": 0}, "seconds"),
        ({"stream": True}, "stream"),
        ({"portrait": "nobody"}, None),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_refused_at_once(api: Api, fields: dict[str, Any], param: str | None) -> None:
    """A request that cannot be served makes no job."""
    response = api.client.post(VIDEOS, json={"prompt": PROMPT, **fields})
    assert response.status_code in (400, 404), response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert param is None or error["param"] == param
    assert "constrained" not in error["message"], "a type's name is no help"
    assert api.client.get(VIDEOS).json()["data"] == []


def test_the_description(api: Api) -> None:
    """Examples of the description are taken as they stand, and each route has a short name and its errors."""
    schema = api.client.get("/openapi.json").json()
    for example in schema["components"]["schemas"]["VideoCreateRequest"]["examples"]:
        response = api.client.post(VIDEOS, json={**example, "size": "256x256", "language": "en"})
        assert response.status_code == 202, (example, response.text)
        until_ended(api, response.json()["id"])
    paths = {path: item for path, item in schema["paths"].items() if path.startswith(VIDEOS)}
    names = {operation["operationId"] for item in paths.values() for operation in item.values()}
    assert names == {
        "create_video",
        "list_videos",
        "read_video",
        "delete_video",
        "read_video_content",
        "read_video_events",
    }
    missing = paths[f"{VIDEOS}/{{video}}"]["get"]["responses"]["404"]["content"]["application/json"]["schema"]
    assert missing == {"$ref": "#/components/schemas/OpenAIErrorResponse"}
    assert "202" in schema["paths"]["/api/generate/full"]["post"]["responses"]


def test_two_portraits(api: Api) -> None:
    """OpenAI's name of the portrait and LUMEN's are one thing."""
    files = {"input_reference": image_bytes(), "portrait_file": image_bytes()}
    response = api.client.post(VIDEOS, data={"prompt": PROMPT}, files=files)
    assert response.status_code == 400
    assert "send one of them" in response.json()["error"]["message"]


def test_observers_are_told_once(api: Api) -> None:
    """Whoever wants to know of ends is told of each, and may fail."""
    told: list[tuple[str, str]] = []

    async def finished(job: Job) -> None:
        told.append((job.id, job.state.status))
        raise ValueError("a bug of the observer")

    api.services.jobs.on_finished.append(finished)
    try:
        made = create(api)
        until_ended(api, made["id"])
        wait_until(lambda: told)
    finally:
        api.services.jobs.on_finished.remove(finished)
    assert told == [(made["id"], "completed")]
