"""A request with an ``Idempotency-Key`` is served once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api_server import Api, assert_error
from tests.support.job_tools import HeldModels, job_api
from tests.support.media_files import image_bytes
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

TEXT, FULL, VIDEOS = "/api/generate/text", "/api/generate/full", "/v1/videos"


@pytest.fixture
def models() -> HeldModels:
    return HeldModels()


@pytest.fixture(params=["files", "redis"])
def storage(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "files":
        return {}
    redis: RedisServer = request.getfixturevalue("redis")
    return {"jobs_storage": redis.url}


@pytest.fixture
def api(models: HeldModels, tmp_path: Path, storage: dict[str, Any]) -> Iterator[Api]:
    with job_api(tmp_path, models, **storage) as api:
        yield api


def post(api: Api, path: str, key: str, owner: str = "", **fields: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key, "X-Owner": owner}
    return api.client.post(path, json=fields, headers=headers)


def test_the_same_answer(api: Api, models: HeldModels) -> None:
    """The same key and body get the same answer, byte by byte; quotes are not part of the key."""
    first = post(api, TEXT, "one", prompt="Hi")
    again = post(api, TEXT, '"one"', prompt="Hi")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(models.writer.requests) == 1
    assert post(api, TEXT, "two", prompt="Hi").content != first.content


def test_another_request(api: Api) -> None:
    """A key of another body or path is refused; another owner's keys are others."""
    post(api, TEXT, "one", prompt="Hi")
    assert_error(post(api, TEXT, "one", prompt="Ho"), 422, "UnprocessableException", "another request")
    response = post(api, VIDEOS, "one", prompt="Hi")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "unprocessable")
    assert "idempotency-replayed" not in post(api, TEXT, "one", owner="ada", prompt="Ho").headers


def test_a_job_is_made_once(api: Api) -> None:
    """A client that lost the answer finds its job again, also when its form has another boundary."""
    forms = [
        api.client.post(
            VIDEOS,
            data={"prompt": "Hi."},
            files={"input_reference": ("me.png", image_bytes(), "image/png")},
            headers={"Idempotency-Key": "job"},
        )
        for _ in range(2)
    ]
    assert [response.status_code for response in forms] == [202, 202]
    assert forms[0].request.headers["content-type"] != forms[1].request.headers["content-type"]
    assert forms[0].json()["id"] == forms[1].json()["id"]
    assert forms[1].headers["location"] == forms[0].headers["location"]
    assert len(api.client.get(VIDEOS).json()["data"]) == 1


def test_one_that_is_being_served(api: Api, models: HeldModels) -> None:
    """While the first is served, the same request is told so, and another one that the key is taken."""
    models.face.go.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, api, FULL, "long", prompt="Hi")
        wait_until(lambda: models.face.open)
        assert_error(post(api, FULL, "long", prompt="Hi"), 409, "ConflictException", "still being served")
        assert_error(post(api, FULL, "long", prompt="Ho"), 422, "UnprocessableException")
        models.face.go.set()
        assert first.result(20).status_code == 200
    assert post(api, FULL, "long", prompt="Hi").content == first.result().content


def test_errors_and_streams_are_not_kept(api: Api) -> None:
    """After an error the same key is served anew; so is a streamed answer, which nobody keeps."""
    assert post(api, FULL, "wrong", prompt="Hi", portrait="nobody").status_code == 400
    assert post(api, FULL, "wrong", prompt="Hi").status_code == 200
    streams = [post(api, FULL, "stream", prompt="Hi", stream=True) for _ in range(2)]
    assert [stream.status_code for stream in streams] == [200, 200]
    assert "idempotency-replayed" not in streams[1].headers


@pytest.mark.parametrize("key", ["", '""', "x" * 256, '"open'])
def test_malformed_keys(tmp_path: Path, key: str) -> None:
    """A key is 1 to 255 printable characters."""
    with job_api(tmp_path, HeldModels()) as api:
        response = post(api, TEXT, key, prompt="Hi")
        assert_error(response, 400, "InvalidInputException", "Idempotency-Key")


def test_answers_have_bounds(tmp_path: Path) -> None:
    """The oldest answers give way, and a start finds those that were kept."""
    with job_api(tmp_path, HeldModels(), max_idempotency_keys=2) as api:
        for key in ("one", "two", "three"):
            post(api, TEXT, key, prompt="Hi")
    with job_api(tmp_path, HeldModels(), max_idempotency_keys=2) as api:
        replayed = [
            "idempotency-replayed" in post(api, TEXT, k, prompt="Hi").headers for k in ("three", "two")
        ]
        assert replayed == [True, True]
        assert "idempotency-replayed" not in post(api, TEXT, "one", prompt="Hi").headers


def test_an_answer_whose_output_is_gone(api: Api) -> None:
    """Addresses that lead nowhere are not given again: the client is told, and a new key makes it anew."""
    first = post(api, FULL, "one", prompt="Hi").json()
    assert post(api, FULL, "one", prompt="Hi").json() == first
    assert api.client.delete(f"/api/outputs/{first['output_id']}").status_code == 204
    again = post(api, FULL, "one", prompt="Hi")
    assert_error(again, 409, "ConflictException", first["output_id"], "any more", "a new key")
    assert api.client.get(post(api, FULL, "two", prompt="Hi").json()["video_url"]).status_code == 200
