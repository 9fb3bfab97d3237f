"""Clips of API keys: what they may, what they are charged, and who else sees them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.access.key_file import KeyFile
from orchestrator.webhooks.signing import new_secret
from tests.support.api_server import Api
from tests.support.job_tools import HeldModels, job_api
from tests.support.keys import TestKey, new_key
from tests.support.waiting import wait_until

VIDEOS = "/v1/videos"


class Keyed:
    """An API of jobs that asks for keys."""

    def __init__(self, api: Api, models: HeldModels, keys: Path) -> None:
        self.api = api
        self.models = models
        self.keys = keys

    def key(self, name: str, scopes: str = "generate", **quota: float) -> TestKey:
        """Make a key that is known at once."""
        made = new_key(self.keys, name, scopes, quota=quota)
        self.api.services.access.ring.load()
        return made

    def create(self, key: TestKey) -> str:
        response = self.api.client.post(VIDEOS, json={"prompt": "Hello there."}, headers=key.headers)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def read(self, key: TestKey, video: str) -> dict[str, Any]:
        return dict(self.api.client.get(f"{VIDEOS}/{video}", headers=key.headers).json())

    def ended(self, key: TestKey, video: str) -> dict[str, Any]:
        """What is told of a job when it has ended."""
        wait_until(lambda: self.read(key, video)["status"] in ("completed", "failed"))
        return self.read(key, video)


@pytest.fixture
def keyed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Keyed]:
    """An API that does one job at once, or half of as many as the test says."""
    models, keys = HeldModels(), tmp_path / "keys.json"
    new_key(keys, "first")
    changes = {
        "keys_path": keys,
        "usage_path": tmp_path / "usage.json",
        "max_concurrent_clips": getattr(request, "param", 2),
        "webhook_urls": ["http://127.0.0.1:9/hooks"],
        "webhook_secrets": [new_secret()],
        "webhook_allow_hosts": ["127.0.0.1"],
        "webhooks_path": tmp_path / "webhooks",
    }
    with job_api(tmp_path, models, link_seconds=4.0, **changes) as api:
        try:
            yield Keyed(api, models, keys)
        finally:
            models.face.go.set()


def test_a_quota_holds_for_jobs_that_wait(keyed: Keyed) -> None:
    """Jobs that were taken in while there was quota left fail when it is used up."""
    key = keyed.key("poor", video_seconds=0.1)
    keyed.models.face.go.clear()
    first, second = keyed.create(key), keyed.create(key)
    keyed.models.face.go.set()
    assert keyed.ended(key, first)["status"] == "completed"
    error = keyed.ended(key, second)["error"]
    assert error["code"] == "quota"
    assert "its quota is 0.1 s" in error["message"]


@pytest.mark.parametrize("keyed", [4], indirect=True)
def test_jobs_count_among_the_clips_at_once(keyed: Keyed) -> None:
    """A key's jobs wait for each other and hold up no other key's; meanwhile who waits for a clip is 429."""
    key, other = keyed.key("single", clips=1), keyed.key("other")
    keyed.models.face.go.clear()
    first, second = keyed.create(key), keyed.create(key)
    wait_until(lambda: keyed.read(key, first)["status"] == "in_progress")
    third = keyed.create(other)
    wait_until(lambda: keyed.read(other, third)["status"] == "in_progress")
    assert keyed.read(key, second)["status"] == "queued"
    refused = keyed.api.client.post("/api/generate/full", json={"prompt": "I wait."}, headers=key.headers)
    assert (refused.status_code, refused.json()["error"]) == (429, "BusyException")
    assert "your key may have 1 at once" in refused.json()["message"]
    assert refused.headers["retry-after"]
    keyed.models.face.go.set()
    assert {keyed.ended(key, each)["status"] for each in (first, second)} == {"completed"}


def test_a_key_that_is_disabled_meanwhile(keyed: Keyed) -> None:
    """What waits for a key that is disabled is not made."""
    key, admin = keyed.key("leaver"), keyed.key("root", "admin")
    keyed.models.face.go.clear()
    first, second = keyed.create(key), keyed.create(key)
    wait_until(lambda: keyed.read(key, first)["status"] == "in_progress")
    KeyFile(keyed.keys).disable("leaver", disabled=True)
    keyed.api.services.access.ring.load()
    keyed.models.face.go.set()
    assert "not valid any more" in keyed.ended(admin, second)["error"]["message"]


def test_an_admin_sees_and_removes_the_jobs_of_others(keyed: Keyed) -> None:
    """An admin's key reads, fetches and removes any job; another key finds none."""
    key, other, admin = keyed.key("own"), keyed.key("other"), keyed.key("root", "admin")
    video = keyed.create(key)
    assert keyed.ended(admin, video)["status"] == "completed"
    content, client = f"{VIDEOS}/{video}/content", keyed.api.client
    assert client.get(content, headers=other.headers).status_code == 404
    assert client.get(content, headers=admin.headers).status_code == 200
    assert client.delete(f"{VIDEOS}/{video}", headers=other.headers).status_code == 404
    assert client.delete(f"{VIDEOS}/{video}", headers=admin.headers).json()["deleted"]
    assert client.get(f"{VIDEOS}/{video}", headers=key.headers).status_code == 404


@pytest.mark.parametrize("path", [VIDEOS, "/v1/webhooks/deliveries"])
def test_an_admin_lists_what_a_key_has(keyed: Keyed, path: str) -> None:
    """Lists are of one's own; an admin's may be of any key, by its id, and nobody else's may."""
    key, other, admin = keyed.key("own"), keyed.key("other"), keyed.key("root", "admin")
    video = keyed.create(key)
    keyed.ended(key, video)

    def listed(asking: TestKey, **whose: str) -> tuple[int, list[str]]:
        response = keyed.api.client.get(path, params=whose, headers=asking.headers)
        found = response.json().get("data", [])
        return response.status_code, [each["id"] if path == VIDEOS else each["data"]["id"] for each in found]

    wait_until(lambda: listed(key) == (200, [video]))
    assert listed(key, owner=key.id) == listed(admin, owner=key.id) == (200, [video])
    assert listed(admin) == listed(other) == listed(other, owner="") == (200, [])
    assert listed(other, owner=key.id) == (403, [])


def test_addresses_of_a_result_are_signed_when_it_is_told(
    keyed: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The addresses of a video that was made long ago work for as long as those of a new one."""
    key = keyed.key("own")
    video = keyed.create(key)
    then = keyed.ended(key, video)["result"]["video_url"]
    later = time.time() + 3600
    monkeypatch.setattr("orchestrator.access.links.time.time", lambda: later)
    now = keyed.read(key, video)["result"]
    assert keyed.api.client.get(then).status_code == 401
    for name in ("video_url", "poster_url", "captions_url", "audio_url"):
        assert keyed.api.client.get(now[name]).status_code == 200, name


def test_an_admins_job_reaches_as_far_as_its_request(keyed: Keyed) -> None:
    """A job of an admin's key sees what belongs to others, as a request of it does."""
    key, admin = keyed.key("own"), keyed.key("root", "admin")
    sound = keyed.ended(key, keyed.create(key))["result"]["audio_url"].partition("?")[0]
    asked = {"audio_url": sound, "background": True}
    response = keyed.api.client.post("/api/generate/video", json=asked, headers=admin.headers)
    assert response.status_code == 202, response.text
    assert keyed.ended(admin, response.json()["id"])["status"] == "completed"


def test_a_stream_whose_client_leaves_is_charged(keyed: Keyed) -> None:
    """Who leaves a stream is charged what was made of it, and no more when it is all there."""
    key, client = keyed.key("own"), keyed.api.client

    def used() -> float:
        (own,) = client.get("/v1/usage", headers=key.headers).json()["data"]
        return float(own["days"][0]["video_seconds"])

    asked = {"prompt": "Hello there. " * 20, "stream": True}
    with client.stream("POST", "/api/generate/full", json=asked, headers=key.headers) as response:
        next(response.iter_raw())
        keyed.models.face.go.clear()
    keyed.models.face.go.set()
    wait_until(lambda: used() > 0)
    left = used()
    whole = client.post("/api/generate/full", json=asked, headers=key.headers)
    assert whole.status_code == 200
    assert left < used() - left
