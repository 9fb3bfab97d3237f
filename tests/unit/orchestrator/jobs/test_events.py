"""A job's end and its webhook: a process that is killed between the two loses no event."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lumen.errors import ServiceUnavailableException
from orchestrator.jobs import embedded, in_redis, service
from orchestrator.jobs.job import Job
from orchestrator.webhooks.signing import new_secret
from tests.support.api_server import Api
from tests.support.job_process import Death, JobProcess, job_process
from tests.support.job_tools import HeldModels, job_api, until_ended
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import Receiver, receiving

pytestmark = pytest.mark.slow

VIDEOS = "/v1/videos"


STORAGES = ["embedded", "redis"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what a dead process left told of soon."""
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.05)
    for module in (embedded, in_redis):
        monkeypatch.setattr(module, "TELL_SECONDS", 0.2)


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of one of the places where jobs are kept."""
    if request.param == "embedded":
        return {}
    redis: RedisServer = request.getfixturevalue("redis")
    return {"jobs_storage": redis.url, "job_heartbeat": 1}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def hooked(folder: Path, receiver: Receiver) -> dict[str, Any]:
    """Settings of webhooks to ``receiver``."""
    return {
        "webhook_urls": [receiver.url],
        "webhook_secrets": [new_secret()],
        "webhook_allow_hosts": ["127.0.0.1"],
        "webhooks_path": str(folder / "webhooks"),
    }


@pytest.mark.parametrize(
    ("storage", "dies"),
    [("embedded", "untold"), ("redis", "untold"), pytest.param("embedded", "told", marks=pytest.mark.heavy)],
    indirect=["storage"],
)
def test_a_kill_between_the_end_and_its_event(
    tmp_path: Path, storage: dict[str, Any], receiver: Receiver, dies: Death
) -> None:
    """The next process sends the event of a job that ended, once, also where it does not know that it was."""
    changes = {**hooked(tmp_path, receiver), **storage}
    with job_process(tmp_path, dies=dies, **changes) as first:
        made = create(first)
        first.process.wait(30)
        assert len(list((tmp_path / "webhooks").glob("msg_*"))) == (dies == "told")
    with job_api(tmp_path, HeldModels(), **changes) as api:
        wait_until(lambda: delivered(api) == {made})
        done = api.client.get(f"{VIDEOS}/{made}").json()
        assert (done["status"], done["attempts"]) == ("completed", 1)
        other = create(api)
        wait_until(lambda: delivered(api) == {made, other})
    events = [json.loads(each.body) for each in receiver.received]
    assert [(each["type"], each["data"]["id"]) for each in events] == [
        ("video.completed", made),
        ("video.completed", other),
    ]
    happened = datetime.fromisoformat(events[0]["timestamp"]).timestamp()
    assert int(happened) == done["completed_at"]


def create(api: Api | JobProcess) -> str:
    return str(api.client.post(VIDEOS, json={"prompt": "Hello there."}).json()["id"])


def delivered(api: Api) -> set[str]:
    """Ids of the videos whose end was delivered."""
    found = api.client.get("/v1/webhooks/deliveries", params={"status": "delivered"}).json()["data"]
    return {each["data"]["id"] for each in found}


@pytest.mark.parametrize("storage", STORAGES, indirect=True)
def test_an_observer_that_fails_is_told_again(tmp_path: Path, storage: dict[str, Any]) -> None:
    """What could not be told is told later, and a removal tells it first."""
    told: list[str] = []

    async def finished(job: Job) -> None:
        told.append(job.id)
        if len(told) < 3:
            raise ServiceUnavailableException("There is no room.")

    with job_api(tmp_path, HeldModels(), **storage) as api:
        api.services.jobs.on_finished.append(finished)
        made = create(api)
        wait_until(lambda: len(told) == 3)
        until_ended(api, made)
        told.clear()
        other = create(api)
        until_ended(api, other)
        wait_until(lambda: told)
        assert api.client.delete(f"{VIDEOS}/{other}").json()["deleted"]
        assert len(told) > 1
    assert set(told) == {other}
