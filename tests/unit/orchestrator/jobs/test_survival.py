"""Jobs outlive the process, and Redis where it keeps them; queues have bounds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lumen.errors import (
    ContentBlockedException,
    GenerationException,
    InvalidInputException,
    LumenException,
    UpstreamTimeoutException,
)
from orchestrator.jobs import runner, service
from tests.support.api_server import Api
from tests.support.job_process import JobProcess, job_process
from tests.support.job_tools import HeldModels, job_api, until_ended
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

VIDEOS = "/v1/videos"

Changes = dict[str, Any]


@pytest.fixture(params=["embedded", "redis"])
def storage(request: pytest.FixtureRequest) -> Iterator[Changes]:
    """Settings of one of the places where jobs are kept."""
    if request.param == "embedded":
        yield {}
    else:
        redis: RedisServer = request.getfixturevalue("redis")
        yield {"jobs_storage": redis.url, "job_heartbeat": 1}


def create(api: Api | JobProcess, count: int = 1) -> list[str]:
    """Ids of new jobs."""
    made = [api.client.post(VIDEOS, json={"prompt": f"Job number {index}."}) for index in range(count)]
    assert [response.status_code for response in made] == [202] * count, made[0].text
    return [str(response.json()["id"]) for response in made]


def all_ended(api: Api | JobProcess, ids: list[str], status: str = "completed") -> None:
    """Wait until all have ended so."""
    found: list[str] = []

    def ended() -> bool:
        found[:] = [str(api.client.get(f"{VIDEOS}/{each}").json()["status"]) for each in ids]
        return not {"queued", "in_progress"} & set(found)

    wait_until(ended, 40)
    assert found == [status] * len(ids)


def files_of(folder: Path) -> list[str]:
    """All files in the outputs, those that are being written included."""
    return sorted(path.name for path in (folder / "outputs").rglob("*") if path.is_file())


def expected_files(ids: list[str]) -> list[str]:
    return sorted(f"{each}.{kind}" for each in ids for kind in ("mp4", "jpg", "vtt", "json"))


def test_a_stop_puts_jobs_back(tmp_path: Path, storage: Changes) -> None:
    """A server that stops leaves its jobs to the next start; that is no attempt."""
    models = HeldModels()
    models.face.go.clear()
    with job_api(tmp_path, models, max_concurrent_clips=2, **storage) as api:
        ids = create(api, 3)
        wait_until(lambda: api.client.get(f"{VIDEOS}/{ids[0]}").json()["status"] == "in_progress")
        models.face.go.set()
        models.face.go.clear()
        api.client.close()
        models.face.go.set()
    with job_api(tmp_path, HeldModels(), **storage) as api:
        all_ended(api, ids)
        assert {api.client.get(f"{VIDEOS}/{each}").json()["attempts"] for each in ids} == {1}
        assert files_of(tmp_path) == expected_files(ids)


@pytest.mark.parametrize(
    ("storage", "count"),
    [
        ("embedded", 3),
        pytest.param("embedded", 20, marks=pytest.mark.heavy),
        pytest.param("redis", 20, marks=pytest.mark.heavy),
    ],
    indirect=["storage"],
)
def test_a_kill_loses_no_job(tmp_path: Path, storage: Changes, count: int) -> None:
    """kill -9 in the middle of jobs: the next process does them, once, and clears up."""
    with job_process(tmp_path, slow=True, max_concurrent_clips=4, **storage) as first:
        ids = create(first, count)
        wait_until(lambda: [first.status(each) for each in ids].count("in_progress") == 2)
        first.kill()
    assert [name for name in files_of(tmp_path) if name.endswith(".part")]
    with job_process(tmp_path, **storage) as second:
        all_ended(second, ids)
        attempts = [second.client.get(f"{VIDEOS}/{each}").json()["attempts"] for each in ids]
    assert sorted(attempts) == [1] * (count - 2) + [2, 2]
    assert files_of(tmp_path) == expected_files(ids)


def test_a_kill_of_redis(tmp_path: Path, durable_redis: RedisServer) -> None:
    """kill -9 of Redis in the middle of jobs: they go on, and are known when it is back."""
    models = HeldModels()
    models.face.go.clear()
    with job_api(tmp_path, models, jobs_storage=durable_redis.url, job_heartbeat=1) as api:
        ids = create(api, 3)
        wait_until(lambda: models.face.open == 3)
        durable_redis.kill()
        refused = api.client.post(VIDEOS, json={"prompt": "Nobody keeps this."})
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        models.face.go.set()
        durable_redis.start()
        all_ended(api, ids)
        assert files_of(tmp_path) == expected_files(ids)


def test_another_process_does_what_a_dead_one_leaves(tmp_path: Path, redis: RedisServer) -> None:
    """With Redis nobody needs to start anything: another API sees that there are no signs of life."""
    shared = {"jobs_storage": redis.url, "job_heartbeat": 1, "jobs_share": 0.5, "max_concurrent_clips": 2}
    with job_process(tmp_path, slow=True, **shared) as first:
        ids = create(first)
        wait_until(lambda: first.status(ids[0]) == "in_progress")
        with job_api(tmp_path, HeldModels(), **shared) as second:
            first.kill()
            all_ended(second, ids)
            assert second.client.get(f"{VIDEOS}/{ids[0]}").json()["attempts"] == 2


def test_any_process_tells_and_cancels(tmp_path: Path, redis: RedisServer) -> None:
    """With Redis a job is heard of and cancelled through any API, whichever makes it."""
    both = HeldModels(), HeldModels()
    for models in both:
        models.face.go.clear()
    shared = {"jobs_storage": redis.url, "max_concurrent_clips": 2}
    with job_api(tmp_path, both[0], **shared) as first, job_api(tmp_path, both[1], **shared) as second:
        ids = create(first, 2)
        wait_until(lambda: [models.face.open for models in both] == [1, 1])
        for each in ids:
            assert second.client.delete(f"{VIDEOS}/{each}").json()["deleted"] is False
        wait_until(lambda: [models.face.open for models in both] == [0, 0])
        told = first.client.get(f"{VIDEOS}/{ids[0]}/events").text
        assert "event: video.failed" in told
        assert "cancelled" in told
        page = second.client.get(VIDEOS, params={"limit": 1, "status": "failed"}).json()
        assert (page["first_id"], page["has_more"]) == (ids[1], True)
        rest = first.client.get(VIDEOS, params={"after": ids[1]}).json()
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == ([ids[0]], False)
        wait_until(lambda: first.files() == [])
        for models in both:
            models.face.go.set()


def test_too_many_attempts(tmp_path: Path) -> None:
    """A job that ends its process again and again is given up, with a reason."""
    with job_api(tmp_path, HeldModels()) as api:
        ids = create(api)
        until_ended(api, ids[0])
    record = tmp_path / "jobs" / f"{ids[0]}.json"
    job = json.loads(record.read_text())
    job["state"] = {"status": "in_progress", "attempts": 3, "progress": 40}
    record.write_text(json.dumps(job))
    with job_api(tmp_path, HeldModels()) as api:
        done = until_ended(api, ids[0])
    assert (done["status"], done["error"]["code"], done["progress"]) == ("failed", "interrupted", 40)


def test_triton_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may go better after a while is tried again; what stays so is told."""
    monkeypatch.setattr(runner, "PAUSES", (0.01,))
    models = HeldModels()
    with job_api(tmp_path, models, job_patience=2.0) as api:
        models.face.failures = 4
        done = until_ended(api, create(api)[0])
        assert (done["status"], done["attempts"]) == ("completed", 5)
        models.face.failures = 1_000_000
        done = until_ended(api, create(api)[0])
        models.face.failures = 0
        assert (done["status"], done["error"]["code"]) == ("failed", "service_unavailable")
        assert len(api.files()) == 4


@pytest.mark.parametrize(
    ("failure", "failures", "end", "attempts"),
    [
        (GenerationException("Triton failed."), 2, None, 3),
        (GenerationException("Triton failed."), 3, "generation", 3),
        (UpstreamTimeoutException("Triton is late."), 2, None, 3),
        (ContentBlockedException("The writer refused."), 1, "content_blocked", 1),
        (InvalidInputException("There is no face."), 1, "invalid_input", 1),
    ],
)
def test_a_stage_that_fails_in_the_middle(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: LumenException,
    failures: int,
    end: str | None,
    attempts: int,
) -> None:
    """The server's fault is tried again so many times, with the same result; the caller's never is."""
    monkeypatch.setattr(runner, "PAUSES", (0.01,))
    models = HeldModels()
    models.face.failure, models.face.failures = failure, failures
    with job_api(tmp_path, models) as api:
        ids = create(api)
        done = until_ended(api, ids[0])
        assert (done["attempts"], done.get("error", {}).get("code")) == (attempts, end)
        wait_until(lambda: files_of(tmp_path) == ([] if end else expected_files(ids)))


def test_bounds(tmp_path: Path, storage: Changes) -> None:
    """A full queue is 503, one's share of it 429, both say when to come back; places tell how long it is."""
    models = HeldModels()
    models.face.go.clear()
    bounds = {"max_concurrent_clips": 1, "max_queued_jobs": 5, "client_share": 0.4, **storage}
    with job_api(tmp_path, models, **bounds) as api:

        def post(owner: str) -> httpx.Response:
            return api.client.post(VIDEOS, json={"prompt": "Hi."}, headers={"X-Owner": owner})

        post("ada")
        wait_until(lambda: models.face.open)
        places = [post(owner).json()["queue_position"] for owner in ("ada", "ada", "bob", "bob")]
        assert places == [0, 1, 1, 3]
        share = post("ada")
        assert (share.status_code, share.headers["retry-after"]) == (429, "2")
        assert post("carol").status_code == 202
        full = post("dave")
        assert (full.status_code, full.headers["retry-after"]) == (503, "5")
        models.face.go.set()


def test_jobs_leave_places_to_those_who_wait(tmp_path: Path) -> None:
    """However many jobs there are, a client that waits finds a place."""
    models = HeldModels()
    models.face.go.clear()
    with job_api(tmp_path, models, max_concurrent_clips=2, jobs_share=0.5) as api:
        ids = create(api, 3)
        wait_until(lambda: models.face.open == 1)
        assert api.services.pipeline.active_clips == 1
        models.face.go.set()
        assert api.client.post("/api/generate/full", json={"prompt": "I wait."}).status_code == 200
        all_ended(api, ids)


def test_jobs_expire(tmp_path: Path, storage: Changes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that has ended is forgotten after its time."""
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.05)
    with job_api(tmp_path, HeldModels(), jobs_retention_hours=1 / 3600, **storage) as api:
        ids = create(api)
        wait_until(lambda: api.client.get(f"{VIDEOS}/{ids[0]}").status_code == 404)
        wait_until(lambda: api.client.get(VIDEOS).json()["data"] == [])


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    """A second process on the same folder serves everything but jobs, and says why."""
    with job_api(tmp_path, HeldModels()) as first, job_api(tmp_path, HeldModels()) as second:
        refused = second.client.post(VIDEOS, json={"prompt": "Hi."})
        assert refused.status_code == 503
        assert "JOBS_STORAGE" in refused.json()["error"]["message"]
        until_ended(first, create(first)[0])
